package apps

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// nginx serves files, proxies and caches, over TLS and without; it is reloaded, reopens its logs, and is stopped.
var nginx = app{
	name:     "nginx",
	packages: []string{"nginx-light", "libc6", "libssl3", "dash"},
	work:     serveFiles,
}

// The entry point fills in a template, as those of images do.
const nginxEntry = `set -e
mkdir -p /etc/nginx /var/lib/nginx /var/cache/nginx
find /conf -name '*.template' | sort | while read -r file; do
	sed "s/@PLAIN@/$1/; s/@TLS@/$2/; s/@RESOLVER@/$3/" "$file" > "/etc/nginx/$(basename "$file" .template)"
done
nginx -t -e stderr -c /etc/nginx/nginx.conf
exec nginx -e stderr -c /etc/nginx/nginx.conf
`

const nginxConf = `daemon off;
pid /run/nginx.pid;
error_log stderr notice;
worker_processes 2;
user server server;
events { worker_connections 64; }
http {
	access_log /logs/access.log;
	sendfile on;
	if_modified_since before;
	tcp_nopush on;
	gzip on;
	gzip_min_length 1;
	gzip_types *;
	client_body_buffer_size 16k;
	client_max_body_size 4m;
	proxy_cache_path /var/cache/nginx keys_zone=cache:1m;
	resolver 127.0.0.1:@RESOLVER@ ipv6=off;
	resolver_timeout 1s;
	server {
		listen 127.0.0.1:@PLAIN@ reuseport;
		listen 127.0.0.1:@TLS@ ssl http2;
		ssl_certificate /conf/certificate.pem;
		ssl_certificate_key /conf/key.pem;
		root /conf/files;
		location = /generation { return 200 first; }
		location /list/ { alias /conf/files/; autoindex on; }
		location /direct/ { alias /conf/files/; aio threads; directio 512; }
		location /proxied/ { proxy_pass http://unix:/run/backend.sock:/; }
		location /local/ { proxy_pass http://localhost:@PLAIN@/; proxy_buffering off; }
		location /cached/ { proxy_pass http://unix:/run/backend.sock:/; proxy_cache cache; proxy_cache_valid 1m; gzip off; }
		location /resolved/ { set $name nowhere.example; proxy_pass http://$name/; }
		location /refused/ { proxy_pass http://127.0.0.1:1/; }
	}
	server {
		listen unix:/run/backend.sock;
		root /conf/files;
		location = /post {
			client_body_in_file_only clean;
			proxy_pass http://unix:/run/backend.sock:/posted;
			proxy_pass_request_body off;
			proxy_set_header Content-Length "";
		}
		location = /posted { return 200 posted; }
	}
}
`

const nginxLarge = 12 << 20 // more than sockets buffer

var nginxRequests = []request{
	{method: "GET", path: "/index.html", status: 200, received: -1},
	{method: "GET", path: "/", status: 200, received: -1},
	{method: "HEAD", path: "/", status: 200, received: 0},
	{method: "GET", path: "/", header: "If-Modified-Since", value: "Fri, 01 Jan 2100 00:00:00 GMT", status: 304, received: 0},
	{method: "GET", path: "/missing", status: 404, received: -1},
	{method: "POST", path: "/index.html", sent: 10, status: 405, received: -1},
	{method: "GET", path: "/list/", status: 200, received: -1},
	{method: "GET", path: "/large", header: "Accept-Encoding", value: "identity", status: 200, received: nginxLarge},
	{method: "GET", path: "/large", header: "Range", value: "bytes=100-299", status: 206, received: 200},
	{method: "GET", path: "/direct/large", header: "Accept-Encoding", value: "identity", status: 200, received: nginxLarge},
	{method: "POST", path: "/proxied/post", sent: 1 << 20, status: 200, received: 6},
	{method: "GET", path: "/proxied/large", header: "Accept-Encoding", value: "identity", pause: 300 * time.Millisecond, status: 200, received: nginxLarge},
	{method: "GET", path: "/cached/large", header: "Accept-Encoding", value: "identity", status: 200, received: nginxLarge},
	{method: "GET", path: "/cached/large", header: "Accept-Encoding", value: "identity", status: 200, received: nginxLarge},
	{method: "GET", path: "/local/index.html", status: 200, received: -1},
	{method: "GET", path: "/resolved/", status: 502, received: -1},
	{method: "GET", path: "/refused/", status: 502, received: -1},
}

func serveFiles(t *testing.T, r run) {
	certificate, key := certificate(t)
	plain, tls, resolver := freePort(t), freePort(t), silent(t)
	conf, confFlags := shared(t, "/conf", map[string]string{
		"entry.sh": nginxEntry, "nginx.conf.template": nginxConf, "certificate.pem": certificate, "key.pem": key,
	})
	if err := os.Mkdir(conf+"/files", 0o755); err != nil {
		t.Fatal(err)
	}
	for name, size := range map[string]int64{"index.html": 4 << 10, "large": nginxLarge} {
		file := filepath.Join(conf, "files", name)
		if err := os.WriteFile(file, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(file, size); err != nil {
			t.Fatal(err)
		}
	}
	logs, logFlags := shared(t, "/logs", nil)
	c := r.start(t, append(append(confFlags, logFlags...), usr...), distribution, "/bin/sh", "/conf/entry.sh", plain, tls, resolver)
	c.serves(t, "https://127.0.0.1:"+tls, "first")
	each(t, nginxRequests, "http://127.0.0.1:"+plain, "https://127.0.0.1:"+tls)

	c.exec(t, "/bin/sh", "-c", "sed -i s/first/second/ /etc/nginx/nginx.conf && nginx -e stderr -c /etc/nginx/nginx.conf -s reload")
	c.serves(t, "https://127.0.0.1:"+tls, "second")
	if err := os.Rename(logs+"/access.log", logs+"/access.log.1"); err != nil {
		t.Fatal(err)
	}
	c.signal(t, "USR1")
	c.until(t, "the log is opened again", func() error { _, err := os.Stat(logs + "/access.log"); return err })
	c.signal(t, "QUIT")
	c.ended(t)

	c.again(t)
	c.serves(t, "https://127.0.0.1:"+tls, "first")
	c.signal(t, "TERM")
	c.gone(t)
	if log, err := os.ReadFile(logs + "/access.log.1"); err != nil || !strings.Contains(string(log), "/missing") {
		t.Errorf("the log lacks a request: %s, %v", log, err)
	}
}

// serves waits until nginx does so with a configuration. That it listens says too little: when it tests a configuration
// it listens for a moment as well.
func (c *container) serves(t *testing.T, base, configuration string) {
	t.Helper()
	client := newClient(t)
	client.Transport.(*http.Transport).DisableKeepAlives = true
	c.until(t, "the "+configuration+" configuration holds", func() error {
		body, err := request{method: "GET", path: "/generation", status: 200, received: -1}.do(client, base)
		if err == nil && body != configuration {
			err = fmt.Errorf("it is the %s", body)
		}
		return err
	})
}

// silent is a port where questions come in and nobody answers.
func silent(t *testing.T) string {
	t.Helper()
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	_, port, err := net.SplitHostPort(socket.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}
