package recording

import (
	"encoding/json"
	"testing"

	"pgregory.net/rapid"
)

// A running file that is accepted says which container and output it is about, and is written back as it was.
func FuzzEntry(f *testing.F) {
	e := newEntry(job("c1", "web"), initial{PID: 1, Start: 2, Boot: "b"})
	e.Harvest = &harvest{Result: did("getpid")}
	whole, err := json.Marshal(e)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add([]byte(`{"version":1,"run":"A","job":{"container":"c1","output":{"path":"/x"}},"init":{"pid":1,"start":2}}`))
	f.Add([]byte("null"))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := parseEntry("c1@1-2.json", data)
		if err != nil {
			return
		}
		if e.Job.Container != "c1" || e.Job.Output.validate() != nil {
			t.Fatalf("accepted %+v", e)
		}
		again, err := json.Marshal(e)
		must(t, err)
		if _, err := parseEntry("c1@1-2.json", again); err != nil {
			t.Fatalf("%s: %v", again, err)
		}
	})
}

func FuzzMetadata(f *testing.F) {
	m := newEntry(job("c1", "web"), initial{}).run(&harvest{Result: did("getpid")})
	m.Profile.SHA256 = "x"
	whole, err := encode(m)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add([]byte(`{"version":1,"runs":1,"profile":{"sha256":"x"},"calls":[{"abi":"","first":null}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parseMetadata(data)
		if err != nil {
			return
		}
		// Whatever it holds, a profile can be made from it or refused.
		if _, err := m.document(nil); err != nil {
			return
		}
		other := *m
		m.merge(&other)
		if _, err := m.document(nil); err != nil {
			t.Fatalf("joined with itself: %v", err)
		}
	})
}

// aRun is the metadata of one run.
func aRun(t *rapid.T, label string) *Metadata {
	names := rapid.SliceOfDistinct(rapid.SampledFrom([]string{"getpid", "read", "write", "uname", "close", "getppid"}), func(s string) string { return s }).Draw(t, label)
	e := newEntry(job(label, "web"), initial{})
	h := &harvest{Result: did(names...)}
	m := e.run(h)
	m.Base = []string{"execve"}
	return m
}

func clone(m *Metadata) *Metadata {
	c := *m
	return &c
}

// The order in which runs are merged does not matter to what was seen, and nothing that a run saw is lost.
func TestMergeLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := aRun(t, "a"), aRun(t, "b"), aRun(t, "c")
		abc, cba := clone(c), clone(a)
		bc := clone(b)
		bc.merge(a)
		abc.merge(bc)
		ba := clone(b)
		ba.merge(c)
		cba.merge(ba)
		left, err := json.Marshal(abc.Calls)
		if err != nil {
			t.Fatal(err)
		}
		right, err := json.Marshal(cba.Calls)
		if err != nil {
			t.Fatal(err)
		}
		if string(left) != string(right) {
			t.Fatalf("%s\n%s", left, right)
		}
		if abc.Runs != 3 || len(abc.Unfinished) != 3 {
			t.Fatalf("%d runs, unfinished %v", abc.Runs, abc.Unfinished)
		}
		for _, run := range []*Metadata{a, b, c} {
			for _, call := range run.Calls {
				if !contains(abc.names(), call.Name) {
					t.Fatalf("%s is lost", call.Name)
				}
			}
		}
		for _, call := range abc.Calls {
			if call.Runs < 1 || call.Runs > 3 {
				t.Fatalf("%+v", call)
			}
		}
	})
}
