package recorder

import (
	"crypto/sha256"
	"encoding/hex"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

// The shapes of what the maps hold, as bpf/recorder.bpf.c has them. layoutVersion counts their changes: a set of
// another version is neither used nor read.
const (
	layoutVersion = "v1"

	tables = 3
	calls  = 576
	words  = calls / 64
	parts  = 2 // calls of the runtime, calls of the container's programs
)

// Flags of a member.
const (
	flagInit    = 1 << 0
	flagShared  = 1 << 1
	flagOpen    = 1 << 2
	flagWaiting = 1 << 3
	flagDenied  = 1 << 4
	flagOuter   = 1 << 6
)

// member is what the kernel keeps with each task of a recorded container.
type member struct {
	Recording uint64
	Proxy     uint64
	Epoch     uint64
	Flags     uint32
	Outer     uint32
	InCall    uint64
	Noted     [tables][words]uint64
}

// table is a recording.
type table struct {
	First          [parts][tables][calls]uint32 // in momentUnits since it began, from 1 on; 0: never
	Denied         [tables][calls]uint8
	MountNamespace uint64
	Processes      uint64
	Beyond         uint64
	Failures       uint64
	Flags          uint32
	Outer          uint32
	// Skipped is what the programs had been skipped when the recording began. Only user space uses it.
	Skipped uint64
	Began   uint64 // CLOCK_BOOTTIME in ns
}

// momentUnit is what table.First counts.
const momentUnit = 1 << 20 * time.Nanosecond

// mostRecordings is how many containers can be recorded at once. A table's memory is taken when it is used.
const mostRecordings = 8192

// mapSpecs are the maps by their names in the BPF source. The array there is a variable.
func mapSpecs() map[string]*ebpf.MapSpec {
	return map[string]*ebpf.MapSpec{
		"members": {
			Name: "strata_members", Type: ebpf.TaskStorage, Flags: noPreallocation,
			KeySize: 4, ValueSize: uint32(unsafe.Sizeof(member{})),
			// The kernel wants to know the types in a storage. Bytes will do, as nothing in it is a pointer.
			Key:   &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed},
			Value: &btf.Array{Index: &btf.Int{Name: "int", Size: 4}, Type: &btf.Int{Name: "u64", Size: 8}, Nelems: uint32(unsafe.Sizeof(member{}) / 8)},
		},
		"recordings": {
			Name: "strata_records", Type: ebpf.Hash, Flags: noPreallocation,
			KeySize: 8, ValueSize: uint32(unsafe.Sizeof(table{})), MaxEntries: mostRecordings,
		},
		"namespaces": {
			Name: "strata_mounts", Type: ebpf.Hash, Flags: noPreallocation,
			KeySize: 8, ValueSize: 8, MaxEntries: mostRecordings,
		},
		"epoch": {Name: "strata_epoch", Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1},
	}
}

const noPreallocation = 1 // BPF_F_NO_PREALLOC

// layout names the sets that this program makes: another build's programs, even with the same shapes, are another set,
// so that an upgrade leaves running recordings alone.
func layout() string {
	sum := sha256.Sum256(object)
	return layoutVersion + "-" + hex.EncodeToString(sum[:6])
}
