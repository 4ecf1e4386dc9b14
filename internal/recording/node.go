package recording

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"strata/internal/safefile"
	"strata/internal/syscalls"
	"strata/internal/version"
)

// describe adds to a run's metadata what the node says: kernel, runtime, libseccomp. Nothing of it is needed for the
// recording to be whole, so what can not be found out is left out with a note.
func (s *Store) describe(o *Outcome, m *Metadata) {
	m.Strata = version.String()
	var uname unix.Utsname
	if err := unix.Uname(&uname); err != nil {
		o.note("the kernel does not say its release: %v", err)
	}
	m.Kernel = unix.ByteSliceToString(uname.Release[:])

	known := s.readFacts()
	asked, changed := len(known), false
	if path := m.Runtime.Path; path != "" {
		about, fresh, err := known.about(path, askRuntime)
		if err != nil {
			o.note("the version of the runtime is unknown: %v", err)
		}
		m.Runtime.Version = about.Version
		m.Runtime.Name = orElse(about.Name, m.Runtime.Name)
		changed = changed || fresh
	}
	for _, path := range libseccompPaths() {
		about, fresh, err := known.about(path, askLibseccomp)
		if err != nil {
			continue // the next place
		}
		m.Libseccomp = &Libseccomp{Version: about.Version, Unknown: unknownNames(m, about.Unknown)}
		changed = changed || fresh
		break
	}
	if changed || len(known) != asked {
		s.writeFacts(o, known)
	}
}

func orElse(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// facts are what is known of files of the node, by path. They are kept beside the running recordings, because asking a
// runtime for its version takes longer than all the rest of a hook.
type facts map[string]fact

// fact is what a file says of itself, as long as it is the same file.
type fact struct {
	Device  uint64   `json:"device"`
	Inode   uint64   `json:"inode"`
	Size    int64    `json:"size"`
	Changed int64    `json:"changed"` // ns since 1970
	Name    string   `json:"name,omitempty"`
	Version string   `json:"version,omitempty"`
	Unknown []string `json:"unknown,omitempty"`
}

const (
	factsFile  = "facts.json"
	factsLimit = 1 << 20
	// maxFacts bounds the file on a node whose runtime has many paths.
	maxFacts = 64
)

// readFacts has no error: what was damaged or never there is found out again.
func (s *Store) readFacts() facts {
	known := facts{}
	data, err := s.state.Read(factsFile, factsLimit)
	if err != nil || json.Unmarshal(data, &known) != nil || known == nil {
		return facts{}
	}
	return known
}

func (s *Store) writeFacts(o *Outcome, known facts) {
	data, err := json.Marshal(known)
	if err == nil {
		err = s.state.Replace(factsFile, data, entryMode)
	}
	if err != nil {
		o.note("what was learned about the runtime is not kept: %v", err)
	}
}

// about returns what is known of a file, and asks if nothing is or the file is another one. What it asked is fresh.
func (k facts) about(path string, ask func(path string) (fact, error)) (found fact, fresh bool, err error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return fact{}, false, fmt.Errorf("%s: %w", path, err)
	}
	found = k[path]
	if found.Device == uint64(st.Dev) && found.Inode == st.Ino && found.Size == st.Size && found.Changed == st.Ctim.Nano() {
		return found, false, nil
	}
	found, err = ask(path)
	if err != nil {
		return fact{}, false, fmt.Errorf("%s: %w", path, err)
	}
	found.Device, found.Inode, found.Size, found.Changed = uint64(st.Dev), st.Ino, st.Size, st.Ctim.Nano()
	if len(k) >= maxFacts {
		clear(k)
	}
	k[path] = found
	return found, true, nil
}

// patience bounds how long a runtime may take to say its version.
const patience = 5 * time.Second

// runtimes are programs that are asked for their version. Others may take --version for something else.
var runtimes = []string{"runc", "crun", "youki"}

// RuntimeName tells a runtime by its program's name, as runc or /usr/libexec/crio/crun-1.21; "" if it is none.
func RuntimeName(path string) string {
	base := filepath.Base(path)
	for _, name := range runtimes {
		if rest, ok := strings.CutPrefix(base, name); ok && (rest == "" || strings.ContainsAny(rest[:1], "-._")) {
			return name
		}
	}
	return ""
}

// askRuntime reads the first line of what every runtime prints: "runc version 1.1.5".
func askRuntime(path string) (fact, error) {
	if RuntimeName(path) == "" {
		return fact{}, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	command := exec.CommandContext(ctx, path, "--version")
	command.Env, command.Dir, command.WaitDelay = []string{}, "/", time.Second
	out, err := command.Output()
	if err != nil {
		return fact{}, fmt.Errorf("--version: %w", err)
	}
	line, _, _ := strings.Cut(string(out), "\n")
	name, version, found := strings.Cut(line, " version ")
	if !found || len(line) > 256 {
		return fact{}, fmt.Errorf("--version: not understood: %.80q", line)
	}
	return fact{Name: name, Version: strings.TrimSpace(version)}, nil
}

// libseccompPaths lists where distributions have the library: with Debian's directories for each architecture, and
// with Fedora's.
func libseccompPaths() []string {
	const soname = "libseccomp.so.2"
	dirs := []string{"/usr/lib64", "/usr/lib", "/lib64", "/lib"}
	if triplet, ok := triplets[syscalls.Host()]; ok {
		dirs = append([]string{"/usr/lib/" + triplet, "/lib/" + triplet}, dirs...)
	}
	for i := range dirs {
		dirs[i] = filepath.Join(dirs[i], soname)
	}
	return dirs
}

var triplets = map[syscalls.ABI]string{syscalls.X86_64: "x86_64-linux-gnu", syscalls.AArch64: "aarch64-linux-gnu"}

// libraryLimit is far above the 130 KiB that libseccomp has.
const libraryLimit = 16 << 20

// askLibseccomp finds which names the library does not know. It holds the names of its tables as C strings, one after
// the other, so the library itself is the answer, whatever a distribution has added to its version.
func askLibseccomp(path string) (fact, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return fact{}, err
	}
	library, err := safefile.ReadPath(real, libraryLimit)
	if err != nil {
		return fact{}, err
	}
	held := make(map[string]bool)
	for text := range bytes.SplitSeq(library, []byte{0}) {
		if len(text) > 0 && len(text) < 64 {
			held[string(text)] = true
		}
	}
	if !held["read"] || !held["exit_group"] {
		return fact{}, fmt.Errorf("holds no table of system calls")
	}
	_, version, _ := strings.Cut(filepath.Base(real), ".so.")
	return fact{Name: "libseccomp", Version: version, Unknown: missing(held)}, nil
}

func missing(held map[string]bool) []string {
	var names []string
	host := syscalls.Host()
	for _, abi := range append([]syscalls.ABI{host}, host.Beside()...) {
		for _, name := range abi.Names() {
			if !held[name] {
				names = append(names, name)
			}
		}
	}
	return sorted(names)
}

// unknownNames are those of the recording's calls that are among names.
func unknownNames(m *Metadata, names []string) []string {
	var found []string
	for _, call := range m.Calls {
		if slices.Contains(names, call.Name) {
			found = append(found, call.Name)
		}
	}
	return sorted(found)
}
