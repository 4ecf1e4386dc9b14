package syscalls

import (
	"encoding/json"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestNumbers(t *testing.T) {
	// From the manual page syscalls(2) and arch/*/entry/syscalls/*.tbl.
	for _, c := range []struct {
		abi  ABI
		name string
		want uint32
	}{
		{X86_64, "read", 0}, {X86_64, "getpid", 39}, {X86_64, "clone3", 435}, {X86_64, "rseq_slice_yield", 471},
		{X86, "getpid", 20}, {X86, "socketcall", 102}, {X86, "waitpid", 7}, {X86, "clock_gettime64", 403},
		{X32, "read", 0}, {X32, "rt_sigaction", 512}, {X32, "execveat", 545}, {X32, "pwritev2", 547},
		{AArch64, "getpid", 172}, {AArch64, "openat", 56}, {AArch64, "clone3", 435},
		{ARM, "getpid", 20}, {ARM, "cacheflush", 0x0f0002}, {ARM, "set_tls", 0x0f0005}, {ARM, "arm_fadvise64_64", 270},
	} {
		if nr, ok := c.abi.Number(c.name); !ok || nr != c.want {
			t.Errorf("%s %s: %d, %v; want %d", c.abi, c.name, nr, ok, c.want)
		}
		if name, ok := c.abi.Name(c.want); !ok || name != c.name {
			t.Errorf("%s %d: %q, %v; want %q", c.abi, c.want, name, ok, c.name)
		}
	}
}

func TestAbsent(t *testing.T) {
	for _, c := range []struct {
		abi  ABI
		name string
	}{
		{AArch64, "open"}, {AArch64, "fork"}, {X86_64, "socketcall"}, {X86_64, "waitpid"}, {X32, "uselib"}, {ARM, "arch_prctl"},
		{X86_64, ""}, {X86_64, "READ"}, {X86_64, "zzz"}, {X86_64, "osf_table"}, {0, "read"}, {last + 1, "read"},
	} {
		if nr, ok := c.abi.Number(c.name); ok {
			t.Errorf("%s %q: has number %d", c.abi, c.name, nr)
		}
	}
	for _, c := range []struct {
		abi ABI
		nr  uint32
	}{{X86_64, 335 + 100000}, {X86_64, X32Bit}, {X86_64, none}, {X86, 17 + 0x0f0000}, {ARM, armPrivate}, {0, 0}, {last + 1, 0}} {
		if name, ok := c.abi.Name(c.nr); ok {
			t.Errorf("%s %d: has name %q", c.abi, c.nr, name)
		}
	}
}

// A name that headers define as another name is libseccomp's and the kernel's name nowhere, but it is no misspelling.
func TestAliasOfHeaders(t *testing.T) {
	if nr, ok := ARM.Number("sync_file_range2"); ok {
		t.Errorf("sync_file_range2: has number %d on arm, where libseccomp gives it none", nr)
	}
	if name, ok := ARM.Name(341); !ok || name != "arm_sync_file_range" {
		t.Errorf("arm 341: %q, %v", name, ok)
	}
	if !Known("sync_file_range2") {
		t.Error("sync_file_range2 is not known")
	}
}

func TestTable(t *testing.T) {
	for i := 1; i < len(table); i++ {
		if table[i-1].name >= table[i].name {
			t.Errorf("%s is not sorted before %s", table[i-1].name, table[i].name)
		}
	}
	if !slices.IsSorted(elsewhere[:]) {
		t.Error("names of other architectures are not sorted")
	}
	for _, abi := range ABIs() {
		names := abi.Names()
		if !slices.IsSorted(names) {
			t.Errorf("%s: names are not sorted", abi)
		}
		named := map[uint32]bool{}
		for _, name := range names {
			nr, ok := abi.Number(name)
			if !ok {
				t.Fatalf("%s %s: no number", abi, name)
			}
			if _, ok := abi.Name(nr); !ok {
				t.Errorf("%s %s: number %d has no name", abi, name, nr)
			}
			named[nr] = true
			if !Known(name) {
				t.Errorf("%s is not known", name)
			}
		}
		if len(named) < 300 {
			t.Errorf("%s: only %d numbers", abi, len(named))
		}
		for nr := range named {
			name, _ := abi.Name(nr)
			if back, _ := abi.Number(name); back != nr {
				t.Errorf("%s: %d is %s is %d", abi, nr, name, back)
			}
		}
	}
}

func TestMax(t *testing.T) {
	for abi, want := range map[ABI]uint32{X86_64: 471, X86: 471, X32: 547, AArch64: 471, ARM: 471, 0: 0} {
		if got := abi.Max(); got != want {
			t.Errorf("%s: %d, want %d", abi, got, want)
		}
		for _, name := range abi.Names() {
			if nr, _ := abi.Number(name); nr > abi.Max() && nr < armPrivate {
				t.Errorf("%s: %s is above the highest", abi, name)
			}
		}
	}
}

func TestKnown(t *testing.T) {
	for name, want := range map[string]bool{
		"read": true, "set_tls": true, "spu_run": true, "s390_pci_mmio_read": true, "riscv_hwprobe": true,
		"": false, "raed": false, "Read": false, "unused18": false,
	} {
		if Known(name) != want {
			t.Errorf("%q: known is %v", name, !want)
		}
	}
}

func TestABINames(t *testing.T) {
	for _, abi := range ABIs() {
		if got, ok := Parse(abi.String()); !ok || got != abi {
			t.Errorf("%s reads as %s, %v", abi, got, ok)
		}
		if got, ok := ParseArch(abi.Arch()); !ok || got != abi {
			t.Errorf("%s reads as %s, %v", abi.Arch(), got, ok)
		}
		text, err := json.Marshal(map[ABI]ABI{abi: abi})
		if err != nil {
			t.Fatal(err)
		}
		var back map[ABI]ABI
		if err := json.Unmarshal(text, &back); err != nil || back[abi] != abi {
			t.Errorf("%s reads as %v, %v", text, back, err)
		}
		for _, other := range abi.Beside() {
			if !other.Valid() || other == abi {
				t.Errorf("%s runs beside %s", other, abi)
			}
		}
	}
	for _, name := range []string{"", "SCMP_ARCH_", "SCMP_ARCH_S390X", "scmp_arch_x86", "amd64"} {
		if abi, ok := ParseArch(name); ok {
			t.Errorf("%q reads as %s", name, abi)
		}
	}
	if _, err := ABI(0).MarshalText(); err == nil {
		t.Error("the zero ABI was written")
	}
	var abi ABI
	if err := abi.UnmarshalText([]byte("s390x")); err == nil {
		t.Error("an unknown ABI was read")
	}
	if X32.Audit() != X86_64.Audit() || X86.Audit() == X86_64.Audit() {
		t.Error("x32 shares its audit value with x86_64, x86 does not")
	}
}

// No number and no text makes the look-ups panic, and what one finds the other finds back.
func TestLookupsAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		abi := ABI(rapid.Byte().Draw(t, "abi"))
		nr := rapid.OneOf(rapid.Uint32(), rapid.Uint32Range(0, 600), rapid.Uint32Range(armPrivate-2, armPrivate+10)).Draw(t, "nr")
		name, ok := abi.Name(nr)
		if !ok {
			return
		}
		if back, ok := abi.Number(name); !ok || back != nr {
			t.Fatalf("%s: %d is %s is %d", abi, nr, name, back)
		}
	})
}

func BenchmarkNumber(b *testing.B) {
	for b.Loop() {
		X86_64.Number("openat")
	}
}

func BenchmarkName(b *testing.B) {
	for b.Loop() {
		X86_64.Name(257)
	}
}
