package recorder

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// kernelBTF is where the kernel describes its own types (CONFIG_DEBUG_INFO_BTF).
const kernelBTF = "/sys/kernel/btf/vmlinux"

// ErrNoBTF says that the kernel does not describe its own types, which the recorder needs to read them.
var ErrNoBTF = errors.New("kernel without BTF")

// kernelTypes is what the programs need to know of the running kernel.
type kernelTypes struct {
	// tracepoints are the type ids of btf_trace_NAME, by NAME.
	tracepoints map[string]uint32
	// offsets are in bytes, by the number that the BPF source gives to them.
	offsets map[uint32]uint32
}

// A field is a member of a structure of the kernel. A path through nested structures has several.
type field struct{ structure, member string }

// fieldsNeeded are the offsets in the BPF source's enum, in its order. Each has one path or more: of several, the first
// that the kernel has is taken, because it moved from one release to another.
var fieldsNeeded = map[uint32][][]field{
	1: {{{"task_struct", "seccomp"}, {"seccomp", "mode"}}},
	2: {{{"task_struct", "seccomp"}, {"seccomp", "filter_count"}}},
	3: {{{"task_struct", "group_leader"}}},
	4: {{{"task_struct", "nsproxy"}}},
	5: {{{"task_struct", "thread_info"}, {"thread_info", threadFlags}}},
	6: {{{"nsproxy", "mnt_ns"}}},
	7: {
		{{"mnt_namespace", "ns"}, {"ns_common", "ns_id"}}, // since 6.18
		{{"mnt_namespace", "seq"}},
	},
	8: {{{"pt_regs", systemCallRegister}}},
}

var tracepointsNeeded = []string{"sys_enter", "sys_exit", "task_newtask", "sched_process_exec"}

func readKernelTypes() (*kernelTypes, error) {
	raw, unmap, err := mapBTF()
	if errors.Is(err, os.ErrNotExist) {
		return nil, ErrNoBTF
	}
	if err != nil {
		return nil, fmt.Errorf("kernel types: %w", err)
	}
	defer unmap()
	types, err := scanTypes(raw)
	if err != nil {
		return nil, fmt.Errorf("kernel types: %s: %w", kernelBTF, err)
	}
	return types, nil
}

// mapBTF gives the kernel's BTF, mapped into memory where the kernel can do that (since 6.16), which saves copying 5 MiB.
func mapBTF() (raw []byte, unmap func(), err error) {
	file, err := os.Open(kernelBTF)
	if err != nil {
		return nil, nil, err
	}
	defer file.Close()
	stat, err := file.Stat()
	if err != nil {
		return nil, nil, err
	}
	raw, err = unix.Mmap(int(file.Fd()), 0, int(stat.Size()), unix.PROT_READ, unix.MAP_PRIVATE|unix.MAP_POPULATE)
	if err == nil {
		return raw, func() { _ = unix.Munmap(raw) }, nil // what could not be unmapped ends with the process
	}
	raw = make([]byte, stat.Size())
	_, err = io.ReadFull(file, raw)
	return raw, func() {}, err
}

// scanTypes finds the types that the programs need in one pass over the kernel's BTF. Decoding all of it, as a general
// library does, takes longer than everything else that a hook does.
func scanTypes(raw []byte) (*kernelTypes, error) {
	info, err := openBTF(raw)
	if err != nil {
		return nil, err
	}
	tracepoints := map[string]string{}
	for _, name := range tracepointsNeeded {
		tracepoints["btf_trace_"+name] = name
	}
	structures := map[string]map[string]uint32{}
	for _, paths := range fieldsNeeded {
		for _, path := range paths {
			for _, f := range path {
				structures[f.structure] = nil
			}
		}
	}
	found := &kernelTypes{tracepoints: map[string]uint32{}, offsets: map[uint32]uint32{}}
	layouts := map[string]btfType{}
	err = info.each(func(t btfType) {
		switch t.kind {
		case kindTypedef:
			if name, ok := tracepoints[string(info.name(t.name))]; ok {
				found.tracepoints[name] = t.id
			}
		case kindStruct:
			name := info.name(t.name)
			if _, ok := structures[string(name)]; ok {
				layouts[string(name)] = t
			}
		}
	})
	if err != nil {
		return nil, err
	}
	for name, layout := range layouts {
		structures[name] = map[string]uint32{}
		info.addMembers(structures[name], layout, 0, 0)
	}
	for _, name := range tracepointsNeeded {
		if found.tracepoints[name] == 0 {
			return nil, fmt.Errorf("no tracepoint %s", name)
		}
	}
	for _, which := range slices.Sorted(maps.Keys(fieldsNeeded)) {
		paths := fieldsNeeded[which]
		offset, ok := firstPath(structures, paths)
		if !ok {
			return nil, fmt.Errorf("no field %s in struct %s", paths[0][0].member, paths[0][0].structure)
		}
		found.offsets[which] = offset
	}
	return found, nil
}

func firstPath(structures map[string]map[string]uint32, paths [][]field) (uint32, bool) {
	for _, path := range paths {
		var sum uint32
		complete := true
		for _, f := range path {
			offset, ok := structures[f.structure][f.member]
			sum, complete = sum+offset, complete && ok
		}
		if complete {
			return sum, true
		}
	}
	return 0, false
}

// Kinds of BTF types: include/uapi/linux/btf.h.
const (
	kindInt       = 1
	kindArray     = 3
	kindStruct    = 4
	kindUnion     = 5
	kindEnum      = 6
	kindTypedef   = 8
	kindFuncProto = 13
	kindVar       = 14
	kindDataSec   = 15
	kindDeclTag   = 17
	kindEnum64    = 19
)

// btfTail says how many bytes follow a type's common part: a fixed number and a number for each of its members.
// Kinds that are not listed have none.
var btfTail = [32]struct{ fixed, each int }{
	kindInt:       {4, 0},
	kindArray:     {12, 0},
	kindStruct:    {0, 12},
	kindUnion:     {0, 12},
	kindEnum:      {0, 8},
	kindFuncProto: {0, 8},
	kindVar:       {4, 0},
	kindDataSec:   {0, 12},
	kindDeclTag:   {4, 0},
	kindEnum64:    {0, 12},
}

type typeInfo struct {
	types, strings []byte
	marks          []int // where in types each markEvery-th type begins
}

const markEvery = 256

type btfType struct {
	id, name uint32
	kind     uint8
	bitfield bool // members' offsets carry a size in their upper byte
	tail     []byte
}

var errTruncated = errors.New("truncated BTF")

// openBTF reads the header (struct btf_header) of BTF in this machine's byte order.
func openBTF(raw []byte) (*typeInfo, error) {
	const magic, headerSize = 0xeb9f, 24
	if len(raw) < headerSize {
		return nil, errTruncated
	}
	if binary.NativeEndian.Uint16(raw) != magic {
		return nil, errors.New("not BTF")
	}
	word := func(i int) uint64 { return uint64(binary.NativeEndian.Uint32(raw[4+4*i:])) }
	header, size := word(0), uint64(len(raw))
	types, typesEnd := header+word(1), header+word(1)+word(2)
	strings, stringsEnd := header+word(3), header+word(3)+word(4)
	if typesEnd > size || stringsEnd > size {
		return nil, errTruncated
	}
	return &typeInfo{types: raw[types:typesEnd], strings: raw[strings:stringsEnd]}, nil
}

// each calls do for every type, in the order of their ids, which begin at 1.
func (b *typeInfo) each(do func(btfType)) error {
	at := 0
	for id := uint32(1); at < len(b.types); id++ {
		if id%markEvery == 1 {
			b.marks = append(b.marks, at)
		}
		t, size := b.typeAt(at)
		if size == 0 {
			return errTruncated
		}
		t.id = id
		do(t)
		at += size
	}
	return nil
}

// typeAt decodes a type and says how many bytes it takes: 0 if it is cut short.
func (b *typeInfo) typeAt(at int) (btfType, int) {
	const common = 12 // struct btf_type
	rest := b.types[at:]
	if len(rest) < common {
		return btfType{}, 0
	}
	info := binary.NativeEndian.Uint32(rest[4:])
	kind := uint8(info >> 24 & 0x1f)
	size := common + btfTail[kind].fixed + btfTail[kind].each*int(info&0xffff)
	if len(rest) < size {
		return btfType{}, 0
	}
	return btfType{
		name:     binary.NativeEndian.Uint32(rest),
		kind:     kind,
		bitfield: info>>31 != 0,
		tail:     rest[common:size],
	}, size
}

// typeByID gives a type that each has come by; the zero type if there is none.
func (b *typeInfo) typeByID(id uint32) btfType {
	if id == 0 || uint64(id-1)/markEvery >= uint64(len(b.marks)) {
		return btfType{}
	}
	at := b.marks[(id-1)/markEvery]
	for range (id - 1) % markEvery {
		_, size := b.typeAt(at)
		at += size
	}
	t, _ := b.typeAt(at)
	return t
}

func (b *typeInfo) name(offset uint32) []byte {
	if uint64(offset) >= uint64(len(b.strings)) {
		return nil
	}
	name, _, _ := bytes.Cut(b.strings[offset:], []byte{0})
	return name
}

// addMembers adds the byte offsets of a structure's members, those of anonymous structures and unions in it included.
func (b *typeInfo) addMembers(offsets map[string]uint32, t btfType, base uint32, depth int) {
	const deepest = 8
	for tail := t.tail; len(tail) >= 12; tail = tail[12:] {
		name, of := binary.NativeEndian.Uint32(tail), binary.NativeEndian.Uint32(tail[4:])
		bits := binary.NativeEndian.Uint32(tail[8:])
		if t.bitfield {
			bits &= 0xffffff
		}
		if name != 0 {
			offsets[string(b.name(name))] = base + bits/8
		} else if inner := b.typeByID(of); depth < deepest && (inner.kind == kindStruct || inner.kind == kindUnion) {
			b.addMembers(offsets, inner, base+bits/8, depth+1)
		}
	}
}
