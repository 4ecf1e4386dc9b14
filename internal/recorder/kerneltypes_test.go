package recorder

import (
	"bytes"
	"encoding/binary"
	"os"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"
)

// The library decodes all types; what the scan finds has to be the same.
func TestScanAgreesWithTheLibrary(t *testing.T) {
	scanned, err := readKernelTypes()
	if err != nil {
		t.Fatal(err)
	}
	spec, err := btf.LoadKernelSpec()
	if err != nil {
		t.Fatal(err)
	}
	for name, id := range scanned.tracepoints {
		var typedef *btf.Typedef
		if err := spec.TypeByName("btf_trace_"+name, &typedef); err != nil {
			t.Fatal(err)
		}
		if want, err := spec.TypeID(typedef); err != nil || uint32(want) != id {
			t.Errorf("tracepoint %s: %d, want %d (%v)", name, id, want, err)
		}
	}
	for which, member := range map[uint32]string{3: "group_leader", 4: "nsproxy"} {
		var task *btf.Struct
		if err := spec.TypeByName("task_struct", &task); err != nil {
			t.Fatal(err)
		}
		for _, m := range task.Members {
			if m.Name == member && m.Offset.Bytes() != scanned.offsets[which] {
				t.Errorf("task_struct.%s: %d, want %d", member, scanned.offsets[which], m.Offset.Bytes())
			}
		}
	}
}

// kernelLike describes a kernel before and since 6.18, in which the id of a mount namespace is in an anonymous union.
func kernelLike(t testing.TB, new bool) []byte {
	t.Helper()
	u32 := &btf.Int{Name: "unsigned int", Size: 4}
	u64 := &btf.Int{Name: "u64", Size: 8}
	structure := func(name string, size uint32, members ...btf.Member) *btf.Struct {
		return &btf.Struct{Name: name, Size: size, Members: members}
	}
	at := func(name string, of btf.Type, bytes uint32) btf.Member {
		return btf.Member{Name: name, Type: of, Offset: btf.Bits(bytes * 8)}
	}
	var mounts *btf.Struct
	if new {
		inner := &btf.Union{Size: 8, Members: []btf.Member{at("", structure("", 8, at("ns_id", u64, 0)), 0)}}
		common := structure("ns_common", 32, at("ns_type", u32, 0), at("", inner, 24))
		mounts = structure("mnt_namespace", 64, at("seq_origin", u64, 40), at("ns", common, 8))
	} else {
		mounts = structure("mnt_namespace", 64, at("seq", u64, 48))
	}
	seccomp := structure("seccomp", 16, at("mode", u32, 0), at("filter_count", u32, 4))
	threadInfo := structure("thread_info", 16, at("flags", u64, 0), at("status", u32, 8))
	nsproxy := structure("nsproxy", 32, at("mnt_ns", &btf.Pointer{Target: mounts}, 24))
	task := structure("task_struct", 256, at("thread_info", threadInfo, 0), at("nsproxy", &btf.Pointer{Target: nsproxy}, 64),
		at("seccomp", seccomp, 128), at("group_leader", u64, 200))
	regs := structure("pt_regs", 256, at("orig_ax", u64, 120), at("syscallno", u32, 120))
	types := []btf.Type{mounts, nsproxy, task, regs}
	for _, name := range tracepointsNeeded {
		types = append(types, &btf.Typedef{Name: "btf_trace_" + name, Type: &btf.Pointer{Target: &btf.FuncProto{Return: &btf.Void{}}}})
	}
	builder, err := btf.NewBuilder(types, nil)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := builder.Marshal(nil, &btf.MarshalOptions{Order: binary.NativeEndian})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestScanOfOldAndNewKernels(t *testing.T) {
	for _, test := range []struct {
		new  bool
		want map[uint32]uint32
	}{
		{false, map[uint32]uint32{1: 128, 2: 132, 3: 200, 4: 64, 6: 24, 7: 48, 8: 120}},
		{true, map[uint32]uint32{1: 128, 2: 132, 3: 200, 4: 64, 6: 24, 7: 32, 8: 120}},
	} {
		types, err := scanTypes(kernelLike(t, test.new))
		if err != nil {
			t.Fatal(err)
		}
		for which, want := range test.want {
			if got := types.offsets[which]; got != want {
				t.Errorf("new %v: offset %d: %d, want %d", test.new, which, got, want)
			}
		}
	}
}

func TestScanRefuses(t *testing.T) {
	whole := kernelLike(t, true)
	tests := map[string][]byte{
		"truncated BTF":           whole[:20],
		"not BTF":                 bytes.Repeat([]byte{1}, 64),
		"no tracepoint sys_exit":  bytes.Replace(whole, []byte("btf_trace_sys_exit"), []byte("btf_trace_sys_exis"), 1),
		"no field nsproxy":        bytes.Replace(whole, []byte("\x00nsproxy\x00"), []byte("\x00nsprxoy\x00"), 1),
		"no field group_leader":   bytes.Replace(whole, []byte("group_leader"), []byte("group_lesder"), 1),
		"truncated BTF (strings)": whole[:len(whole)-1],
	}
	for want, raw := range tests {
		want, _, _ = strings.Cut(want, " (")
		if _, err := scanTypes(raw); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

func FuzzScanTypes(f *testing.F) {
	f.Add(kernelLike(f, false))
	f.Add(kernelLike(f, true))
	f.Fuzz(func(_ *testing.T, raw []byte) {
		if len(raw) < 1<<16 {
			scanTypes(raw)
		}
	})
}

func TestObjectHasAllPrograms(t *testing.T) {
	programs, err := readObject(object)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range everyProgram {
		p, ok := programs[name]
		if !ok || len(p.instructions) == 0 || len(p.maps) == 0 || p.tracepoint == "" {
			t.Errorf("program %s: %+v", name, p)
		}
	}
	if len(programs) != len(everyProgram) {
		t.Errorf("%d programs, want %d", len(programs), len(everyProgram))
	}
}

func TestFiltersOf(t *testing.T) {
	status := t.TempDir() + "/status"
	for text, want := range map[string]uint32{
		"Name:\tx\nSeccomp:\t2\nSeccomp_filters:\t3\nSpeculation:\tx\n": 3,
		"Seccomp:\t0\nSeccomp_filters:\t0\n":                            0,
		"Seccomp:\t0\n":                                                 0,
	} {
		if err := os.WriteFile(status, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := filtersOf(status); err != nil || got != want {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
}
