package apps

import (
	"slices"
	"testing"
)

// redis stores on disk in both of its ways, is configured, replicated and started again with what it stored.
var redis = app{
	name:     "redis",
	packages: []string{"redis-server", "redis-tools", "libc6", "libssl3", "libjemalloc2", "dash", "coreutils", "findutils", "util-linux"},
	work:     store,
}

// The entry point gives up root, as those of images do.
const redisEntry = `set -e
cd /data
[ -e redis.conf ] || cp /conf/redis.conf redis.conf
find . ! -user server -exec chown server:server {} +
exec setpriv --reuid=server --regid=server --init-groups redis-server /data/redis.conf "$@"
`

const redisConf = `bind 127.0.0.1
dir /data
save 3600 1
appendonly yes
unixsocket /data/redis.sock
tls-cert-file /conf/certificate.pem
tls-key-file /conf/key.pem
tls-ca-cert-file /conf/certificate.pem
tls-auth-clients no
repl-diskless-sync-delay 0
`

// redisWork is done with the port as its first argument, and the one for TLS as its second.
const redisWork = `set -eu
cli() { redis-cli -e -p "$port" "$@" > /tmp/said || { cat /tmp/said; return 1; }; }
idle() { until redis-cli -p "$port" info persistence | grep -q "$1:0"; do sleep 0.02; done; }
port=$1
redis-benchmark -p $1 -n 200 -c 10 -q -t ping,set,lpush,sadd,hset,zadd,lrange_100,mset
redis-benchmark -p $1 -n 1000 -c 20 -P 16 -q -t set,get
redis-benchmark -p $1 -n 50 -c 10 -d 200000 -q -t set,get
redis-benchmark -s /data/redis.sock -n 200 -c 5 -q -t set,get
redis-benchmark --tls --cacert /conf/certificate.pem --sni localhost -p $2 -n 200 -c 5 -q -t set,get
cli save
cli bgsave
idle rdb_bgsave_in_progress
cli bgrewriteaof
idle aof_rewrite_in_progress
cli config set maxmemory 100mb maxmemory-policy allkeys-lru appendfsync always
cli set stored always
cli config set appendfsync everysec save "3600 1 1 1"
cli config rewrite
cli eval "for i = 1, 2000 do redis.call('set', 'key' .. i, string.rep('v', 100)) end return redis.call('dbsize')" 0
cli expire key1 1
cli blpop nothing 0.1
(timeout 0.5 redis-cli -p $port subscribe news || true) & sleep 0.2; cli publish news text; wait
printf 'SET piped 1\r\nGET piped\r\n' | redis-cli -p $port --pipe
cli info everything
cli client list
cli memory purge
cli memory stats
cli latency doctor
cli acl setuser other on nopass '~*' '+@all'
cli --user other --pass any ping
cli flushdb async
cli set kept 1
cli get stored && cli set last 1
echo worked
`

// redisReplica follows the server on the first port as the one on the second port, twice: sent through a pipe and by a file.
const redisReplica = `set -eu
linked() { until redis-cli -p $1 info replication | grep -q master_link_status:up; do sleep 0.02; done; }
linked $2
redis-benchmark -p $2 -n 200 -c 20 -q -t ping # its threads answer
[ "$(redis-cli -p $2 get kept)" = 1 ]
redis-cli -p $1 config set repl-diskless-sync no
redis-cli -p $2 replicaof no one
redis-cli -p $2 flushall
redis-cli -p $2 replicaof 127.0.0.1 $1
linked $2
until [ "$(redis-cli -p $2 get kept)" = 1 ]; do sleep 0.02; done
redis-cli -p $1 wait 1 0
# It can not be ended while it writes what it got to disk for the first time.
written() { redis-cli -p $1 info persistence | tr -d '\r' | grep -cx -e aof_rewrite_in_progress:0 -e aof_rewrite_scheduled:0; }
until [ "$(written $2)" = 2 ]; do sleep 0.02; done
`

func store(t *testing.T, r run) {
	certificate, key := certificate(t)
	_, flags := shared(t, "/conf", map[string]string{
		"entry.sh": redisEntry, "redis.conf": redisConf, "certificate.pem": certificate, "key.pem": key,
		"work.sh": redisWork, "replica.sh": redisReplica,
	})
	flags = append(flags, usr...)
	server := func(more ...string) (*container, string) {
		port := freePort(t)
		argv := slices.Concat([]string{"/bin/sh", "/conf/entry.sh", "--port", port}, more)
		c := r.start(t, flags, distribution, argv...)
		c.listens(t, port)
		return c, port
	}
	tls := freePort(t)
	c, port := server("--tls-port", tls)
	c.exec(t, "/bin/sh", "/conf/work.sh", port, tls)

	replica, replicaPort := server("--replicaof", "127.0.0.1", port, "--io-threads", "2", "--io-threads-do-reads", "yes")
	replica.exec(t, "/bin/sh", "/conf/replica.sh", port, replicaPort)
	replica.signal(t, "TERM")
	replica.gone(t)

	c.signal(t, "TERM")
	c.ended(t)
	c.again(t)
	c.listens(t, port)
	c.exec(t, "/bin/sh", "-c", `until [ "$(redis-cli -p $0 get last)" = 1 ]; do sleep 0.02; done`, port)
	c.signal(t, "TERM")
	c.gone(t)
}
