package apps

import (
	"path/filepath"
	"testing"
)

// postgres makes a cluster, answers statements of all kinds, keeps it clean, archives, is dumped, replicated, recovers
// from a crash and is started again.
var postgres = app{
	name:     "postgres",
	packages: []string{"postgresql-[0-9]*", "postgresql-client-[0-9]*", "libpq5", "libc6", "libssl3", "dash", "coreutils", "util-linux"},
	work:     query,
}

// The entry point makes a cluster where there is none, as those of images do: a new one, or a copy of the server on the
// port in its second argument. The first one is its own port.
const postgresEntry = `set -e
as="setpriv --reuid=server --regid=server --init-groups"
if [ ! -s /data/cluster/PG_VERSION ]; then
	mkdir -m 700 /data/cluster /data/space /data/archive
	cp /conf/key.pem /conf/certificate.pem /data
	chmod 600 /data/key.pem
	chown -R server:server /data
	if [ -z "$2" ]; then
		$as initdb --pgdata /data/cluster --auth trust --username server --data-checksums --locale C --encoding UTF8
	else
		$as pg_basebackup --host 127.0.0.1 --port "$2" --username server --pgdata /data/cluster --write-recovery-conf --wal-method stream --checkpoint fast --tablespace-mapping /data/space=/data/space
	fi
fi
exec $as postgres -D /data/cluster -c config_file=/conf/postgresql.conf -c "port=$1"
`

const postgresConf = `listen_addresses = '127.0.0.1'
unix_socket_directories = '/tmp'
ssl = on
ssl_cert_file = '/data/certificate.pem'
ssl_key_file = '/data/key.pem'
shared_buffers = 16MB
max_connections = 40
wal_level = logical
archive_mode = on
archive_command = 'test ! -f /data/archive/%f && cp %p /data/archive/%f'
max_wal_size = 32MB
autovacuum_naptime = 1s
deadlock_timeout = 50ms
min_parallel_table_scan_size = 0
parallel_setup_cost = 0
parallel_tuple_cost = 0
`

const postgresSQL = `
create extension pgcrypto;
create extension dblink;
create table item (id serial primary key, name text, body text, tags text[], at timestamptz default now());
insert into item (name, body, tags) select 'item ' || i, repeat(md5(i::text), 20), array[i % 7, i % 11]::text[] from generate_series(1, 4000) i;
create index on item (name);
create index concurrently on item using gin (tags);
create index on item using gist (point(id, id));
create materialized view tagged as select unnest(tags) as tag, count(*) from item group by 1;
set work_mem = '64kB';
select count(*) from (select * from item order by body desc, id) sorted;
select count(*) from item a join item b on a.body = b.body;
set work_mem = '4MB';
set force_parallel_mode = on;
select count(*), max(length(body)) from item where name like '%9%';
set force_parallel_mode = off;
set jit_above_cost = 0; set jit_inline_above_cost = 0; set jit_optimize_above_cost = 0;
select sum(id * 2 + length(name)) from item where id % 3 = 1;
set jit = off;
begin; update item set body = body || '.' where id % 2 = 0; savepoint one; delete from item where id < 100; rollback to one; commit;
begin; declare part cursor for select * from item; fetch 10 from part; close part; rollback;
copy item to '/data/archive/item.copy'; create table copied (like item); copy copied from '/data/archive/item.copy';
copy (select 1) to program 'cat > /dev/null';
select lo_unlink(lo_import('/conf/postgresql.conf'));
select pg_stat_file('PG_VERSION'), count(*) from pg_ls_dir('.');
create tablespace space location '/data/space'; create table placed (x int) tablespace space; insert into placed values (1);
create database other strategy file_copy; create database another strategy wal_log; drop database another;
listen news; notify news, 'text'; unlisten news;
select gen_random_uuid(), gen_random_bytes(8), crypt('word', gen_salt('bf'));
select * from dblink('host=/tmp dbname=other port=' || current_setting('port'), 'select 1') as (one int);
\set ON_ERROR_STOP off
set statement_timeout = '50ms'; select pg_sleep(600); reset statement_timeout;
\set ON_ERROR_STOP on
begin; truncate copied; drop table copied; commit;
vacuum (parallel 2, analyze) item; vacuum full item; reindex table item; cluster item using item_pkey; refresh materialized view tagged;
checkpoint;
alter system set work_mem = '2MB'; select pg_reload_conf();
select pg_switch_wal();
`

// postgresWork is done with the port as its first argument.
const postgresWork = `set -eu
export PGPORT=$1 PGUSER=server PGHOST=/tmp PGDATABASE=postgres
until pg_isready -q; do sleep 0.05; done
psql -q -v ON_ERROR_STOP=1 -f /conf/work.sql > /dev/null
[ "$(PGHOST=127.0.0.1 PGSSLMODE=require psql -tAc 'select ssl from pg_stat_ssl where pid = pg_backend_pid()')" = t ]
pgbench -q -i -s 1 other
pgbench -n -c 4 -j 2 -t 20 other
pgbench -n -S -M prepared -C -h 127.0.0.1 -c 2 -t 10 other
pg_dump -Fc -f /tmp/other.dump other && createdb third && pg_restore -j 2 -d third /tmp/other.dump && dropdb third
psql -qc "begin; lock table item; select pg_sleep(0.3)" > /dev/null & sleep 0.1; psql -qc "update item set name = 'x' where id = 500"; wait
psql -qtAc "select pg_sleep(600)" 2> /dev/null &
ended="select count(pg_terminate_backend(pid)) from pg_stat_activity where query = 'select pg_sleep(600)'"
until [ "$(psql -tAc "$ended")" = 1 ]; do sleep 0.05; done
wait
vacuumdb --all --analyze --jobs 2 --quiet
echo worked
`

// postgresCrash kills a server process, from which the server recovers.
const postgresCrash = `set -eu
export PGPORT=$1 PGUSER=server PGHOST=/tmp PGDATABASE=postgres
psql -qc 'create table before_crash as select 1'
writer() { psql -tAc "select pid from pg_stat_activity where backend_type = 'background writer'" 2> /dev/null; }
killed=$(writer)
kill -KILL "$killed"
until now=$(writer) && [ -n "$now" ] && [ "$now" != "$killed" ]; do sleep 0.05; done
[ "$(psql -tAc 'select count(*) from before_crash')" = 1 ]
`

// postgresStandby follows the server on the first port as the one on the second port, which then becomes one of its own.
const postgresStandby = `set -eu
export PGUSER=server PGHOST=/tmp PGDATABASE=postgres
until pg_isready -q -p $2; do sleep 0.05; done
psql -q -p $1 -h 127.0.0.1 -c 'create table followed as select 1'
until [ "$(psql -tA -p $2 -c 'select count(*) from followed' 2> /dev/null)" = 1 ]; do sleep 0.05; done
[ "$(psql -tA -p $2 -c 'select pg_promote()')" = t ]
psql -q -p $2 -c 'create table promoted as select 1'
`

func query(t *testing.T, r run) {
	certificate, key := certificate(t)
	_, flags := shared(t, "/conf", map[string]string{
		"entry.sh": postgresEntry, "postgresql.conf": postgresConf, "certificate.pem": certificate, "key.pem": key,
		"work.sql": postgresSQL, "work.sh": postgresWork, "crash.sh": postgresCrash, "standby.sh": postgresStandby,
	})
	flags = append(append(flags, usr...), "--env", "PATH="+postgresPath(t)+":/usr/sbin:/usr/bin")
	port, standbyPort := freePort(t), freePort(t)
	c := r.start(t, flags, distribution, "/bin/sh", "/conf/entry.sh", port)
	c.listens(t, port)
	c.exec(t, "/bin/sh", "/conf/work.sh", port)

	standby := r.start(t, flags, distribution, "/bin/sh", "/conf/entry.sh", standbyPort, port)
	standby.listens(t, standbyPort)
	standby.exec(t, "/bin/sh", "/conf/standby.sh", port, standbyPort)
	standby.signal(t, "INT") // a fast shutdown
	standby.gone(t)

	c.exec(t, "/bin/sh", "/conf/crash.sh", port)
	c.signal(t, "TERM") // a smart shutdown
	c.ended(t)
	c.again(t)
	c.exec(t, "/bin/sh", "-c", "until pg_isready -q -h /tmp -p $0; do sleep 0.05; done", port)
	c.signal(t, "HUP")
	c.signal(t, "INT")
	c.gone(t)
}

// postgresPath is where the server's programs are: Debian has a directory for each version.
func postgresPath(t *testing.T) string {
	t.Helper()
	dirs, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		t.Fatal(err)
	}
	if len(dirs) == 0 {
		return "/usr/bin"
	}
	return dirs[len(dirs)-1]
}
