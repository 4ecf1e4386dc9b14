package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"strata/internal/filter"
	"strata/internal/policy"
	"strata/internal/profile"
	"strata/internal/reference"
	"strata/internal/ruleset"
	"strata/internal/safefile"
	"strata/internal/stack"
	"strata/internal/syscalls"
)

// input is how a command finds and reads profiles.
type input struct {
	policyDir   string
	profileDirs []string
	seccompRoot string
	caps        []string
	kernel      string
	arch        string
	overlap     string

	cmd     *cobra.Command
	library stack.Library
	machine profile.Machine
	reading ruleset.Overlap
	piped   []byte // what came on standard input
}

// addTo defines the flags.
func (in *input) addTo(cmd *cobra.Command) {
	in.cmd = cmd
	f := cmd.Flags()
	f.StringVar(&in.policyDir, "policy", policy.Dir, "directory of strata.toml, which says where profiles are")
	f.StringSliceVar(&in.profileDirs, "profile-dir", nil, "directory of profiles, instead of the policy's (can be repeated)")
	f.StringVar(&in.seccompRoot, "seccomp-root", "", "directory of localhost/NAME, instead of the policy's")
	f.StringSliceVar(&in.caps, "cap", podmanCaps, "capabilities of the container, none or all; Podman's default ones if not said")
	f.Lookup("cap").DefValue = "[]" // the list would fill the help
	f.StringVar(&in.kernel, "kernel", "", "version of the kernel, instead of this machine's")
	f.StringVar(&in.arch, "arch", "", "ABI of the machine ("+strings.Join(abiNames(syscalls.ABIs()), ", ")+"), instead of this one's")
	f.StringVar(&in.overlap, "overlap", "refuse", "how to read rules that contradict each other: refuse, strictest or first")
}

// podmanCaps are what Podman gives a container by default (containers/common,
// pkg/config/default.go).
var podmanCaps = []string{
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_NET_BIND_SERVICE",
	"CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT",
}

var overlaps = map[string]ruleset.Overlap{"refuse": ruleset.Refuse, "strictest": ruleset.Strictest, "first": ruleset.First}

// prepare reads what the flags say. It is called before any profile is read.
func (in *input) prepare() error {
	var ok bool
	if in.reading, ok = overlaps[in.overlap]; !ok {
		return fmt.Errorf("--overlap %s: say refuse, strictest or first", reference.Quote(in.overlap))
	}
	if err := in.findMachine(); err != nil {
		return err
	}
	in.library = stack.Library{Dirs: in.profileDirs, SeccompRoot: in.seccompRoot, Trusted: true}
	if len(in.profileDirs) > 0 && in.seccompRoot != "" {
		return nil
	}
	p, err := loadPolicy(in.cmd, in.policyDir)
	if err != nil {
		return err
	}
	if len(in.profileDirs) == 0 {
		in.library.Dirs = p.Profiles.Dirs
	}
	if in.seccompRoot == "" {
		in.library.SeccompRoot = p.Profiles.SeccompRoot
	}
	return nil
}

func (in *input) findMachine() error {
	release := in.kernel
	if release == "" {
		var uts unix.Utsname
		if err := unix.Uname(&uts); err != nil {
			return fmt.Errorf("uname: %w", err)
		}
		release = unix.ByteSliceToString(uts.Release[:])
	}
	kernel, ok := profile.ParseRelease(release)
	if !ok {
		return fmt.Errorf("--kernel %s: say a version such as 6.1", reference.Quote(release))
	}
	native, err := parseABI(in.arch)
	if err != nil {
		return err
	}
	in.machine = profile.Machine{Native: native, Kernel: kernel}
	in.machine.Capabilities, err = parseCapabilities(in.caps)
	return err
}

func parseCapabilities(texts []string) ([]string, error) {
	switch {
	case len(texts) == 1 && strings.EqualFold(texts[0], "none"):
		return nil, nil
	case len(texts) == 1 && strings.EqualFold(texts[0], "all"):
		return profile.Capabilities(), nil
	case len(texts) == 0:
		return nil, errors.New("--cap: name capabilities, or none, or all")
	}
	caps := make([]string, len(texts))
	for i, text := range texts {
		var ok bool
		if caps[i], ok = profile.ParseCapability(text); !ok {
			return nil, fmt.Errorf("--cap: there is no capability %s: name capabilities such as CAP_SYS_ADMIN, or none, or all", reference.Quote(text))
		}
	}
	return caps, nil
}

// loadPolicy reads the policy. A directory that a person names has to be there.
func loadPolicy(cmd *cobra.Command, dir string) (*policy.Policy, error) {
	if cmd.Flags().Changed("policy") {
		if _, err := os.Stat(dir); err != nil {
			return nil, fmt.Errorf("policy: %w", err)
		}
	}
	return policy.Load(dir)
}

// chain reads a profile with those that it stands on. Warnings go to standard error.
func (in *input) chain(name string) ([]*profile.Profile, error) {
	chain, warnings, err := in.load(name)
	in.warn(warnings)
	return chain, err
}

func (in *input) load(name string) ([]*profile.Profile, profile.Warnings, error) {
	r, unnamed := reference.ParseTrusted(name)
	if unnamed == nil {
		name = r.String() // the one name of a profile that has several
	}
	document := func(wanted string) ([]byte, error) {
		switch {
		case wanted != name:
			return in.library.Document(wanted)
		case name == "-":
			return in.stdin()
		case unnamed != nil:
			return readUnnamed(name, unnamed)
		case r.Kind == reference.Path:
			return readPath(name, nil)
		}
		data, err := in.library.Document(name)
		if errors.Is(err, fs.ErrNotExist) && r.Kind == reference.Named {
			return readPath(name, err)
		}
		return data, err
	}
	return profile.Load(name, func(wanted string) ([]byte, error) {
		data, err := document(wanted)
		if err != nil {
			err = unreadable{err}
		}
		return data, err
	})
}

// unreadable is an error about a document that there is nothing of to judge.
type unreadable struct{ error }

func (u unreadable) Unwrap() error { return u.error }

// readUnnamed reads what can be no profile's name as a path.
func readUnnamed(path string, unnamed error) ([]byte, error) {
	switch {
	case path == "", strings.HasPrefix(path, "localhost/"):
		return nil, unnamed
	case strings.ContainsFunc(path, unicode.IsControl): // it would be printed
		return nil, fmt.Errorf("path %s: it holds control characters: rename the file", reference.Quote(path))
	case strings.HasPrefix(path, "/"), strings.HasPrefix(path, "."):
		unnamed = nil
	}
	return readPath(path, unnamed)
}

// readPath reads a file. If there is none, the error is the given one: that something else was meant.
func readPath(path string, missing error) ([]byte, error) {
	var st unix.Stat_t
	switch err := unix.Stat(path, &st); {
	case err == nil && st.Mode&unix.S_IFMT == unix.S_IFIFO: // as shells make of <(COMMAND)
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return readAll(f, path)
	case errors.Is(err, fs.ErrNotExist) && missing != nil:
		return nil, missing
	}
	return safefile.ReadPath(path, profile.MaxSize)
}

func readAll(r io.Reader, name string) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, profile.MaxSize+1))
	if err == nil && len(data) > profile.MaxSize {
		err = fmt.Errorf("%s: %w: the limit is %d bytes", name, safefile.ErrTooLarge, profile.MaxSize)
	}
	return data, err
}

// stdin is standard input, which can be named several times and read once.
func (in *input) stdin() ([]byte, error) {
	if in.piped == nil {
		data, err := readAll(in.cmd.InOrStdin(), "standard input")
		if err != nil {
			return nil, err
		}
		in.piped = data
	}
	return in.piped, nil
}

func (in *input) warn(warnings profile.Warnings) {
	for _, w := range warnings {
		fmt.Fprintf(in.cmd.ErrOrStderr(), "strata: warning: %v\n", w)
	}
}

// plan reads the profiles of a stack.
func (in *input) plan(layers, ceilings []string) (stack.Plan, error) {
	p := stack.Plan{Machine: in.machine, Overlap: in.reading}
	for _, list := range []struct {
		names []string
		into  *[][]*profile.Profile
	}{{layers, &p.Layers}, {ceilings, &p.Ceilings}} {
		for _, name := range list.names {
			chain, err := in.chain(name)
			if err != nil {
				return stack.Plan{}, err
			}
			*list.into = append(*list.into, chain)
		}
	}
	return p, nil
}

// build makes a stack and prints the warnings about it.
func (in *input) build(p stack.Plan) (*stack.Stack, error) {
	s, err := p.Build()
	if err != nil {
		return nil, err
	}
	in.warn(s.Warnings)
	return s, nil
}

// read reads one profile as a stack of its own.
func (in *input) read(name string) (*stack.Stack, error) {
	p, err := in.plan([]string{name}, nil)
	if err != nil {
		return nil, err
	}
	return in.build(p)
}

// writable tightens a set where libseccomp can not be told what it says, and prints what
// that changes.
func (in *input) writable(set *ruleset.Set) (*ruleset.Set, error) {
	set, changes, err := ruleset.Writable(set)
	for _, c := range changes {
		fmt.Fprintf(in.cmd.ErrOrStderr(), "strata: warning: %v\n", c)
	}
	return set, err
}

// prove makes the filter that a profile gets: of the set or, where libseccomp can not be
// told, of a tighter one.
func (in *input) prove(set *ruleset.Set) (*filter.Proof, error) {
	set, err := in.writable(set)
	if err != nil {
		return nil, err
	}
	return in.proveExactly(set)
}

// proveExactly has a set compiled and the filter proven, and prints what the installed
// libseccomp could not take in.
func (in *input) proveExactly(set *ruleset.Set) (*filter.Proof, error) {
	proof, err := filter.Proven(set, filter.Options{})
	if err != nil {
		return nil, err
	}
	if len(proof.Unknown) > 0 {
		fmt.Fprintf(in.cmd.ErrOrStderr(), "strata: warning: libseccomp %s does not know %s: the filter does %v there\n",
			filter.Version(), proof.Unknown, set.Fallback())
	}
	return proof, nil
}

// parseABI reads the name of an ABI; without one it is this machine's.
func parseABI(name string) (syscalls.ABI, error) {
	if name == "" {
		name = syscalls.Host().String()
	}
	abi, ok := syscalls.Parse(name)
	if !ok {
		return 0, fmt.Errorf("no ABI %q: say %s", name, strings.Join(abiNames(syscalls.ABIs()), ", "))
	}
	return abi, nil
}
