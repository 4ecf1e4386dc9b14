package enforce

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"

	"strata/internal/bundle"
	"strata/internal/policy"
	"strata/internal/profile"
	"strata/internal/reference"
	"strata/internal/safefile"
	"strata/internal/version"
)

const (
	provenDir = "proven"
	// maxProven bounds how many proofs are kept: pods can name layers in many orders.
	maxProven = 256
	// maxEntry bounds a file of the directory, in bytes.
	maxEntry = 2 * profile.MaxSize
)

// proven is a result that is kept, with what was read for it.
type proven struct {
	// Documents are those of each layer and of the ceiling, in the order in which they name each other.
	Documents [][]document `json:"documents"`
	*Enforced
}

// A document is a profile that was found by a name.
type document struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
}

func newDocument(name string, data []byte) document {
	sum := sha256.Sum256(data)
	return document{name, hex.EncodeToString(sum[:])}
}

// keyOf names what a result depends on but for the documents: what is asked for, the machine, and the programs that make
// and prove it.
func keyOf(c *bundle.Config, p *policy.Profile, prover string) string {
	of := struct {
		Strata, Prover string
		Machine        profile.Machine
		Asked          *policy.Profile
		Given          json.RawMessage // by the engine
	}{version.String(), prover, machine(c), p, nil}
	if p.Tighten {
		of.Given = c.Seccomp
	}
	all, err := json.Marshal(of)
	if err != nil {
		panic(fmt.Sprintf("a decision is plain data: %v", err))
	}
	sum := sha256.Sum256(all)
	return hex.EncodeToString(sum[:])
}

// recall finds a result that was proven before, if the documents are what they were. A file that can not be read is as
// good as none: it is made again.
func (n Node) recall(key string, p *policy.Profile) *Enforced {
	root, err := safefile.OpenRoot(n.State)
	if err != nil {
		return nil
	}
	defer root.Close()
	data, err := root.Read(entryFile(key), maxEntry, safefile.Guarded)
	if err != nil {
		return nil
	}
	var kept proven
	if json.Unmarshal(data, &kept) != nil || kept.check() != nil || !n.unchanged(kept.Documents, references(p)) {
		return nil
	}
	kept.Notes = nil
	return kept.Enforced
}

// unchanged says whether the references lead to the same documents as before. Each document names the next, so as long as
// they are the same, so are the names.
func (n Node) unchanged(documents [][]document, references []reference.Reference) bool {
	if len(documents) != len(references) {
		return false
	}
	for i, r := range references {
		library := n.library(r)
		for _, before := range documents[i] {
			data, err := library.Document(before.Name)
			if err != nil || newDocument(before.Name, data) != before {
				return false
			}
		}
	}
	return true
}

// check refuses what no prover says.
func (e *Enforced) check() error {
	if e == nil || len(e.Layers) == 0 {
		return errors.New("it says no layers")
	}
	return nil
}

// remember keeps a result.
func (n Node) remember(key string, p proven) error {
	data, err := json.Marshal(p)
	if err != nil {
		return err
	}
	root, err := safefile.MakeRoot(n.State, 0o755)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := root.Replace(entryFile(key), data, 0o600); err != nil {
		return err
	}
	names, err := root.List(provenDir)
	if err != nil {
		return err
	}
	var failed []error
	for _, name := range names[:max(0, len(names)-maxProven)] { // names are digests: any is as old as any other
		if name != filepath.Base(entryFile(key)) {
			failed = append(failed, root.Remove(filepath.Join(provenDir, name)))
		}
	}
	return errors.Join(failed...)
}

func entryFile(key string) string { return filepath.Join(provenDir, key+".json") }
