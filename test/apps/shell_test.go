package apps

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// shell is dash, bash and busybox's ash with the usual tools: pipelines, files, jobs, signals.
var shell = app{
	name:     "shell",
	packages: []string{"dash", "bash", "busybox-static", "coreutils", "findutils", "grep", "sed", "mawk", "tar", "gzip", "libc6"},
	work:     runScripts,
}

const shellWork = `set -eu
dir=$(mktemp -d) && cd "$dir"
trap 'echo trapped' USR1
for i in 1 2 3; do
	seq 1 2000 | sort -rn | awk '{ print $1 % 7 }' | sort | uniq -c | sed 's/ *//' | tr ' ' ':' > out
	grep -q ':6$' out && wc -l < out
	seq 1 100000 | head -n 1
	(sleep 0.01; touch a) & wait
done
kill -USR1 $$
cat > here <<END
$(id) $(uname -a) $(date) $(hostname) $(pwd)
END
[ -r here ] && [ ! here -nt /proc/self/stat ] || true
mkdir -p d/e && cp -a out d/e/copy && mv d/e/copy d/e/moved && ln d/e/moved d/hard && ln -s hard d/soft && readlink d/soft
chmod 600 d/hard && chown 0:0 d/hard && touch -d 2001-01-01 d/hard && stat d/hard && test -x d
find . -type f | xargs ls -ln && du -s . && df . && cmp out d/e/moved && dd if=/dev/zero of=zero bs=64k count=4 2>/dev/null && truncate -s 1000 zero
tar -cf - d | gzip | gzip -d | tar -tf - && cksum zero && head -c 10 zero | od && tail -n 1 out && cut -d: -f1 out | paste -s && tee copy < out > /dev/null
mkfifo fifo && (cat fifo & echo through > fifo; wait)
umask 077 && ulimit -n && nice -n 1 true && timeout 5 true && env - /bin/true && nohup true 2>/dev/null && sync zero
sleep 60 & kill $! && wait $! || echo killed
read -r line < out && echo "$line" && printf '%s\n' "$((1 + 2))"
rm -r d && rmdir "$dir/none" 2>/dev/null || rm -rf "$dir"
echo worked
`

// shellEntry works with each shell, and then waits until it is told to end.
const shellEntry = `mkdir -p /busybox && /bin/busybox --install -s /busybox
for sh in "/bin/dash" "/bin/bash" "/bin/busybox sh"; do
	path=/bin:/sbin; [ "$sh" != "/bin/busybox sh" ] || path=/busybox
	PATH=$path $sh /shared/work.sh || exit 1
	PATH=$path $sh -ic 'sleep 0.01 & jobs; wait; sleep 0.01 | cat; stty -a; exit 0' || exit 1
done
until [ -e /shared/go ]; do sleep 0.05; done
echo done
`

func runScripts(t *testing.T, r run) {
	dir, flags := shared(t, "/shared", map[string]string{"work.sh": shellWork, "entry.sh": shellEntry})
	c := r.start(t, append(append(flags, usr...), "--tty"), distribution, "/bin/sh", "/shared/entry.sh")
	if out := c.exec(t, "/bin/bash", "-c", "cd /; history; compgen -c | wc -l; exec /bin/dash /shared/work.sh"); !strings.Contains(out, "worked") {
		t.Errorf("the shell that was executed says %s", out)
	}
	if err := os.WriteFile(dir+"/go", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	c.ended(t)
	log := c.log(t)
	if worked := strings.Count(log, "worked"); worked != 3 || !strings.Contains(log, "trapped") {
		t.Error(fmt.Errorf("%d of 3 shells have worked: %s", worked, log))
	}
	c.gone(t)
}
