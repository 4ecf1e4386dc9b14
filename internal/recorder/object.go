package recorder

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// A program is a function of the BPF object, ready to be loaded but for the running kernel's numbers.
type program struct {
	name, tracepoint string
	instructions     []byte
	maps             map[uint64]string // by the offset of the instruction that loads the map
}

// readObject takes the programs out of the object that clang made of bpf/recorder.bpf.c.
func readObject(object []byte) (map[string]program, error) {
	file, err := elf.NewFile(bytes.NewReader(object))
	if err != nil {
		return nil, fmt.Errorf("BPF object: %w", err)
	}
	symbols, err := file.Symbols()
	if err != nil {
		return nil, fmt.Errorf("BPF object: %w", err)
	}
	code := make([][]byte, len(file.Sections))
	relocations := make([][]byte, len(file.Sections))
	for i, section := range file.Sections {
		switch {
		case strings.HasPrefix(section.Name, attachedByType):
			code[i], err = section.Data()
		case section.Type == elf.SHT_REL && int(section.Info) < len(relocations):
			relocations[section.Info], err = section.Data()
		}
		if err != nil {
			return nil, fmt.Errorf("BPF object: section %s: %w", section.Name, err)
		}
	}
	programs := map[string]program{}
	for _, symbol := range symbols {
		in := int(symbol.Section)
		if elf.ST_TYPE(symbol.Info) != elf.STT_FUNC || in >= len(code) || code[in] == nil {
			continue
		}
		p := program{
			name:         symbol.Name,
			tracepoint:   strings.TrimPrefix(file.Sections[in].Name, attachedByType),
			instructions: code[in][symbol.Value : symbol.Value+symbol.Size],
			maps:         map[uint64]string{},
		}
		for rel := relocations[in]; len(rel) >= 16; rel = rel[16:] {
			offset, info := binary.LittleEndian.Uint64(rel), binary.LittleEndian.Uint64(rel[8:])
			if offset < symbol.Value || offset >= symbol.Value+symbol.Size {
				continue
			}
			p.maps[offset-symbol.Value] = symbols[info>>32-1].Name
		}
		programs[p.name] = p
	}
	return programs, nil
}

const (
	attachedByType = "tp_btf/"

	loadImmediate64 = unix.BPF_LD | unix.BPF_IMM | bpfDW
	bpfDW           = 0x18 // include/uapi/linux/bpf.h: BPF_DW
	offsetMark      = 0x53545241
	pseudoMapFD     = 1 // BPF_PSEUDO_MAP_FD
	pseudoMapValue  = 2 // BPF_PSEUDO_MAP_VALUE: the address of an array's first element
)

// linked gives the program's instructions with the maps' descriptors and the kernel's offsets in them.
func (p program) linked(maps map[string]*ebpf.Map, kernel *kernelTypes) ([]byte, error) {
	code := bytes.Clone(p.instructions)
	for at := 0; at+16 <= len(code); at += 8 {
		if code[at] != loadImmediate64 {
			continue
		}
		low, high := code[at+4:at+8], code[at+12:at+16]
		if name, ok := p.maps[uint64(at)]; ok {
			m, ok := maps[name]
			if !ok {
				return nil, fmt.Errorf("program %s: no map %s", p.name, name)
			}
			pseudo := byte(pseudoMapFD)
			if m.Type() == ebpf.Array {
				pseudo = pseudoMapValue
			}
			code[at+1] |= pseudo << 4
			binary.LittleEndian.PutUint32(low, uint32(m.FD()))
			binary.LittleEndian.PutUint32(high, 0)
		} else if binary.LittleEndian.Uint32(high) == offsetMark {
			offset, ok := kernel.offsets[binary.LittleEndian.Uint32(low)]
			if !ok {
				return nil, fmt.Errorf("program %s: no offset %d", p.name, binary.LittleEndian.Uint32(low))
			}
			binary.LittleEndian.PutUint32(low, offset)
			binary.LittleEndian.PutUint32(high, 0)
		}
		at += 8 // the instruction is two slots long
	}
	return code, nil
}

// loadAttributes is the part of union bpf_attr that BPF_PROG_LOAD reads (include/uapi/linux/bpf.h), up to and with
// attach_btf_id.
type loadAttributes struct {
	programType        uint32
	instructionCount   uint32
	instructions       uint64
	license            uint64
	logLevel           uint32
	logSize            uint32
	log                uint64
	kernelVersion      uint32
	flags              uint32
	name               [16]byte
	interfaceIndex     uint32
	expectedAttachType uint32
	btfFD              uint32
	funcInfoSize       uint32
	funcInfo           uint64
	funcInfoCount      uint32
	lineInfoSize       uint32
	lineInfo           uint64
	lineInfoCount      uint32
	attachBTFID        uint32
}

// load gives the program to the kernel. The library's own loader decodes all of the kernel's types to find one id,
// which takes longer than the rest of a hook; maps and links are the library's.
func (p program) load(maps map[string]*ebpf.Map, kernel *kernelTypes) (*ebpf.Program, error) {
	code, err := p.linked(maps, kernel)
	if err != nil {
		return nil, err
	}
	license := append([]byte("Dual BSD/GPL"), 0)
	attributes := loadAttributes{
		programType:        uint32(ebpf.Tracing),
		instructionCount:   uint32(len(code) / 8),
		instructions:       address(code),
		license:            address(license),
		expectedAttachType: uint32(ebpf.AttachTraceRawTp),
		attachBTFID:        kernel.tracepoints[p.tracepoint],
	}
	copy(attributes.name[:len(attributes.name)-1], "strata_"+p.name)
	fd, err := loadProgram(&attributes)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EACCES) {
		// Once more, for the verifier's reason.
		log := make([]byte, 1<<20)
		attributes.logLevel, attributes.logSize, attributes.log = 1, uint32(len(log)), address(log)
		fd, err = loadProgram(&attributes)
		if err != nil {
			err = fmt.Errorf("%w: %s", err, lastLines(log))
		}
		runtime.KeepAlive(log)
	}
	runtime.KeepAlive(code)
	runtime.KeepAlive(license)
	if err != nil {
		return nil, fmt.Errorf("load program %s: %w", p.name, err)
	}
	loaded, err := ebpf.NewProgramFromFD(fd)
	if err != nil {
		return nil, fmt.Errorf("load program %s: %w", p.name, err)
	}
	return loaded, nil
}

func loadProgram(attributes *loadAttributes) (int, error) {
	return bpf(unix.BPF_PROG_LOAD, unsafe.Pointer(attributes), unsafe.Sizeof(*attributes))
}

// bpf is bpf(2).
func bpf(command uintptr, attributes unsafe.Pointer, size uintptr) (int, error) {
	for {
		result, _, errno := unix.Syscall(unix.SYS_BPF, command, uintptr(attributes), size)
		switch errno {
		case 0:
			return int(result), nil
		case unix.EAGAIN, unix.EINTR: // the verifier was interrupted by a signal
		default:
			return -1, errno
		}
	}
}

// recursionMisses is how often the kernel has skipped a pinned program because another BPF program ran on that
// processor (since Linux 5.12; 0 before). The library asks the kernel for a dozen features first.
func recursionMisses(pin string) (uint64, error) {
	path, err := unix.ByteSliceFromString(pin)
	if err != nil {
		return 0, err
	}
	get := struct {
		path      uint64
		fd, flags uint32
	}{path: address(path)}
	fd, err := bpf(unix.BPF_OBJ_GET, unsafe.Pointer(&get), unsafe.Sizeof(get))
	runtime.KeepAlive(path)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	var info struct { // struct bpf_prog_info
		_               [200]byte
		runs            uint64
		recursionMisses uint64
	}
	ask := struct {
		fd, size uint32
		info     uint64
	}{uint32(fd), uint32(unsafe.Sizeof(info)), uint64(uintptr(unsafe.Pointer(&info)))}
	_, err = bpf(unix.BPF_OBJ_GET_INFO_BY_FD, unsafe.Pointer(&ask), unsafe.Sizeof(ask))
	runtime.KeepAlive(&info)
	return info.recursionMisses, err
}

func address(b []byte) uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) }

func lastLines(log []byte) string {
	text, _, _ := strings.Cut(string(log), "\x00")
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-4):], "; ")
}
