package filter

import (
	"errors"
	"testing"

	"strata/internal/profile"
	"strata/internal/ruleset"
	"strata/internal/syscalls"
)

// defaults are containers/common's default profile, as Podman and CRI-O use it on x86-64, and a recorded child with
// the calls of a small server.
func defaults(t testing.TB) (base, child ruleset.Source) {
	t.Helper()
	data, ok := profile.Builtin(profile.RuntimeDefault)
	if !ok {
		t.Fatal("no default profile is built in")
	}
	p, _, err := profile.Parse(profile.RuntimeDefault, data)
	if err != nil {
		t.Fatal(err)
	}
	resolved, _, err := p.Resolve(profile.Machine{
		Native:       syscalls.X86_64,
		Kernel:       profile.Kernel{Major: 6, Minor: 1},
		Capabilities: []string{"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_KILL", "CAP_SETUID", "CAP_SYS_CHROOT"},
	})
	if err != nil {
		t.Fatal(err)
	}
	base = resolved.Source()
	child = ruleset.Source{
		Layer: "child", Default: ruleset.Action{Kind: ruleset.Errno, Errno: 38}, ABIs: base.ABIs,
		Rules: []ruleset.Rule{{Action: ruleset.Action{Kind: ruleset.Allow}, Names: []string{
			"accept4", "arch_prctl", "bind", "brk", "clone", "close", "epoll_create1", "epoll_ctl", "epoll_wait", "execve",
			"exit", "exit_group", "fcntl", "futex", "getpid", "getrandom", "getsockopt", "listen", "mmap", "mprotect", "munmap",
			"openat", "pread64", "read", "recvfrom", "rt_sigaction", "rt_sigprocmask", "sendto", "setsockopt", "socket",
			"unshare", "write", "writev", "ptrace", "keyctl",
		}}},
	}
	return base, child
}

func TestDefaultProfileIsProven(t *testing.T) {
	base, child := defaults(t)
	read := func(src ruleset.Source) *ruleset.Set {
		set, err := ruleset.Read(src, ruleset.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return set
	}
	b, c := read(base), read(child)
	union, err := ruleset.Union(b, c)
	if err != nil {
		t.Fatal(err)
	}
	ceiled, err := ruleset.Restrict(c, b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Proven(ceiled, Options{}); !errors.Is(err, ruleset.ErrNotWritable) {
		t.Fatalf("socketcall of the child below the default: %v, want that libseccomp cannot be told", err)
	}
	ceiled, changes, err := ruleset.Writable(ceiled)
	if err != nil || len(changes) != 1 || changes[0].Syscall != "socketcall" {
		t.Fatalf("writable: %v, %v", changes, err)
	}
	for name, set := range map[string]*ruleset.Set{"base": b, "child": c, "union": union, "restricted": ceiled} {
		for _, o := range []Options{{}, {Linear: true, OneLayout: true}} {
			proof, err := Proven(set, o)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			t.Logf("%s: %+v: %d rules, %d instructions, unknown %v", name, o, len(proof.Rules), len(proof.Program), proof.Unknown)
			simulate(t, set, proof.Program)
		}
	}
}

func BenchmarkDefaultAndChild(b *testing.B) {
	base, child := defaults(b)
	var set *ruleset.Set
	var rules []ruleset.Rule
	var compiled *Compiled
	steps := []struct {
		name string
		run  func() error
	}{
		{"read and union", func() (err error) {
			x, err := ruleset.Read(base, ruleset.Options{})
			if err != nil {
				return err
			}
			y, err := ruleset.Read(child, ruleset.Options{})
			if err != nil {
				return err
			}
			set, err = ruleset.Union(x, y)
			return err
		}},
		{"rules", func() (err error) { rules, err = set.Rules(ruleset.Short); return err }},
		{"compile", func() (err error) {
			compiled, err = Compile(set.Fallback(), rules, set.ABIs(), Options{})
			return err
		}},
		{"compile linear", func() error {
			_, err := Compile(set.Fallback(), rules, set.ABIs(), Options{Linear: true})
			return err
		}},
		{"prove", func() error { return Prove(set, compiled) }},
		{"all", func() error { return stack(base, child, Options{}) }},
	}
	for _, s := range steps {
		if err := s.run(); err != nil { // also where only a later step is measured
			b.Fatal(err)
		}
		b.Run(s.name, func(b *testing.B) {
			for b.Loop() {
				if err := s.run(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func stack(base, child ruleset.Source, o Options) error {
	x, err := ruleset.Read(base, ruleset.Options{})
	if err != nil {
		return err
	}
	y, err := ruleset.Read(child, ruleset.Options{})
	if err != nil {
		return err
	}
	set, err := ruleset.Union(x, y)
	if err != nil {
		return err
	}
	_, err = Proven(set, o)
	return err
}
