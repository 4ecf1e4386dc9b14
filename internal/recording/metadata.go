package recording

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"strata/internal/recorder"
	"strata/internal/syscalls"
)

const (
	metadataVersion = 1
	metadataLimit   = 16 << 20
	outputMode      = 0o644
)

// Metadata is what a recording holds beside its profile. strata-hook(8) documents the file.
type Metadata struct {
	Version int    `json:"version"`
	Strata  string `json:"strata"`
	// Profile is the file that this metadata belongs to. Where the digest is another one's, the metadata says nothing of it.
	Profile Digest `json:"profile"`

	// What was recorded, of the latest run.
	Origin
	Kernel     string      `json:"kernel"`
	Libseccomp *Libseccomp `json:"libseccomp,omitempty"`
	Options    Asked       `json:"options"`
	Started    time.Time   `json:"started"`
	Ended      time.Time   `json:"ended"`

	// What was seen, of all runs that were merged.
	Runs      int    `json:"runs"`
	Processes uint64 `json:"processes"`
	Calls     []Call `json:"calls"`
	Denied    []Call `json:"denied,omitempty"`
	// Beyond counts calls with numbers that no table has.
	Beyond uint64 `json:"beyond,omitempty"`
	// Failures counts what could not be noted: where it is not 0, calls may be missing.
	Failures uint64   `json:"failures,omitempty"`
	Base     []string `json:"base"`
	// Kept are the calls of the input profile, which keep the rules that they have there.
	Kept []string `json:"kept,omitempty"`

	// Unfinished are the latest runs: their hooks may have been killed after they wrote this file, and when somebody
	// else finishes their work they must not be counted again.
	Unfinished []Run `json:"unfinished"`
}

// Digest identifies a file's content.
type Digest struct {
	File   string `json:"file"`
	SHA256 string `json:"sha256"`
}

// Libseccomp is the node's library, and the calls of the recording that it has no name for: a runtime that uses it
// leaves them out of the filter, or warns.
type Libseccomp struct {
	Version string   `json:"version"`
	Unknown []string `json:"unknown,omitempty"`
}

// Asked are the options that the recording was made with.
type Asked struct {
	Seccomp    string `json:"seccomp,omitempty"`
	Unfiltered bool   `json:"unfiltered"`
	Denied     bool   `json:"denied"`
	Merge      bool   `json:"merge"`
	Input      string `json:"input,omitempty"`
}

// Run is one run of a container, with the name of its running file.
type Run struct {
	Run  string `json:"run"`
	File string `json:"file"`
}

// Part says whose call it is.
type Part string

const (
	// ByRuntime are calls that only the runtime made, under the container's filter before it executed a program.
	ByRuntime Part = "runtime"
	// ByApplication are calls that the container's programs made, whether or not the runtime made them too.
	ByApplication Part = "application"
)

// Call is a system call that was made.
type Call struct {
	ABI string `json:"abi"`
	// Name is empty for a number that Strata's tables do not have. A profile can not say those.
	Name   string `json:"name,omitempty"`
	Number uint32 `json:"number"`
	// Part is not known for a denied one.
	Part Part `json:"part,omitempty"`
	// First is when it was first made, to about a millisecond; unknown for a denied one.
	First time.Time `json:"first,omitzero"`
	Runs  int       `json:"runs"`
}

func (c Call) compare(other Call) int {
	return cmp.Or(cmp.Compare(c.ABI, other.ABI), cmp.Compare(c.Name, other.Name), cmp.Compare(c.Number, other.Number))
}

// calls turns what the tracker saw into calls of one run, sorted.
func calls(seen map[syscalls.ABI][]recorder.Seen) []Call {
	all := []Call{}
	for abi, list := range seen {
		for _, one := range list {
			call := newCall(abi, one.Number)
			call.Part, call.First = partOf(one), one.First.UTC()
			all = append(all, call)
		}
	}
	slices.SortFunc(all, Call.compare)
	return all
}

func partOf(one recorder.Seen) Part {
	if one.ByProgram {
		return ByApplication
	}
	return ByRuntime
}

// denials are calls of one run that the container's profile refused. When they were made is not known.
func denials(denied map[syscalls.ABI][]uint32) []Call {
	var all []Call
	for abi, list := range denied {
		for _, number := range list {
			all = append(all, newCall(abi, number))
		}
	}
	slices.SortFunc(all, Call.compare)
	return all
}

func newCall(abi syscalls.ABI, number uint32) Call {
	name, _ := abi.Name(number)
	return Call{ABI: abi.String(), Name: name, Number: number, Runs: 1}
}

// started says whether the container's program ran, or was kept from it by the container's profile. A start that failed
// otherwise has a recording of nothing, or of the runtime's calls alone, and must not replace one of a whole run.
func started(r *recorder.Result) bool {
	for _, list := range r.Calls {
		if slices.ContainsFunc(list, func(one recorder.Seen) bool { return one.ByProgram }) {
			return true
		}
	}
	for abi, list := range r.Denied {
		for _, number := range list {
			if name, _ := abi.Name(number); name == "execve" || name == "execveat" {
				return true
			}
		}
	}
	return false
}

// run is the metadata of one run alone, without what the node says.
func (e *entry) run(h *harvest) *Metadata {
	m := &Metadata{
		Version: metadataVersion,
		Origin:  e.Job.Origin,
		Options: Asked{
			Seccomp:    e.Job.Seccomp,
			Unfiltered: e.Job.Options.Unfiltered,
			Denied:     e.Job.Options.Denied,
			Merge:      e.Job.Merge,
		},
		Started:    e.Started,
		Ended:      h.Ended,
		Runs:       1,
		Processes:  h.Result.Processes,
		Calls:      calls(h.Result.Calls),
		Denied:     denials(h.Result.Denied),
		Beyond:     h.Result.Beyond,
		Failures:   h.Result.Failures,
		Unfinished: []Run{{e.Run, e.name()}},
	}
	if e.Job.Input != nil {
		m.Options.Input = e.Job.Input.Path
	}
	return m
}

func (m *Metadata) holds(run string) bool {
	return slices.ContainsFunc(m.Unfinished, func(r Run) bool { return r.Run == run })
}

// readMetadata returns an error wrapping fs.ErrNotExist when there is none and ErrDamaged when it can not be
// understood.
func readMetadata(dir directory, name string) (*Metadata, error) {
	data, err := dir.Read(name, metadataLimit)
	if err != nil {
		return nil, fmt.Errorf("read metadata: %w", err)
	}
	m, err := parseMetadata(data)
	if err != nil {
		return nil, fmt.Errorf("%s/%s: %w: %w", dir.Path(), name, ErrDamaged, err)
	}
	return m, nil
}

func parseMetadata(data []byte) (*Metadata, error) {
	m := new(Metadata)
	if err := json.Unmarshal(data, m); err != nil {
		return nil, err
	}
	if m.Version != metadataVersion {
		return nil, fmt.Errorf("its version is %d, this Strata knows %d", m.Version, metadataVersion)
	}
	if m.Runs < 1 || m.Profile.SHA256 == "" {
		return nil, errors.New("it does not say what was recorded")
	}
	return m, nil
}

// written says whether a run is in its output already.
func (s *Store) written(e *entry) bool {
	place, err := s.place(e.Job.Output)
	if err != nil {
		return false
	}
	defer place.close()
	m, err := readMetadata(place.dir, place.metadata)
	return err == nil && m.holds(e.Run)
}

// unfinished keeps those of the runs whose running file is still there.
func (s *Store) unfinished(runs []Run) []Run {
	return slices.DeleteFunc(slices.Clone(runs), func(r Run) bool {
		_, err := s.running.Read(r.File, entryLimit)
		return errors.Is(err, fs.ErrNotExist)
	})
}
