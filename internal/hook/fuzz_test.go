package hook

import (
	"bytes"
	"encoding/json"
	"testing"
)

func FuzzState(f *testing.F) {
	f.Add([]byte(`{"ociVersion":"1.0.2-dev","id":"c1","status":"creating","pid":7,"bundle":"/b","annotations":{"a":"b"}}`))
	f.Add([]byte(`{"id":"c1","status":"stopped","pid":0,"root":"/r"}`))
	f.Add([]byte(`{"id":"`))
	f.Fuzz(func(t *testing.T, data []byte) {
		state, err := parseState(data)
		if err != nil {
			fails(t, err, "state on standard input")
			return
		}
		if state.ID == "" {
			t.Error("a state without an id is taken")
		}
	})
}

// What precreate writes is what it read, or a document that says the same but for linux.seccomp.
func FuzzPrecreate(f *testing.F) {
	f.Add([]byte(`{"annotations":{"a":"b"},"linux":{"seccomp":{"defaultAction":"SCMP_ACT_ERRNO"}}}`))
	f.Add([]byte(`{"annotations":{"io.strata.record":"w","io.strata.record.seccomp":"unconfined"},"linux":{"seccomp":{},"x":1e400}}`))
	f.Add([]byte(`{"linux":{"seccomp":{},"seccomp":{}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		n := newNode(t)
		out, err := n.run((*Hook).Precreate, string(data))
		if err != nil {
			if out != "" {
				t.Errorf("it failed and wrote %q", out)
			}
			return
		}
		if bytes.Equal([]byte(out), data) {
			return
		}
		read := func(text []byte) map[string]any {
			decoder := json.NewDecoder(bytes.NewReader(text))
			decoder.UseNumber()
			var document map[string]any
			must(t, decoder.Decode(&document))
			if linux, ok := document["linux"].(map[string]any); ok {
				delete(linux, "seccomp")
			}
			return document
		}
		before, err := json.Marshal(read(data))
		must(t, err)
		after, err := json.Marshal(read([]byte(out)))
		must(t, err)
		if !bytes.Equal(before, after) {
			t.Errorf("%s became %s", before, after)
		}
	})
}
