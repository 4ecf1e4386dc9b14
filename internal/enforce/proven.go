package enforce

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"

	"strata/internal/profile"
	"strata/internal/safefile"
	"strata/internal/stack"
	"strata/internal/version"
)

const (
	provenDir = "proven"
	// maxProven bounds how many proofs are kept: pods can name layers in many orders.
	maxProven = 256
	// maxEntry bounds a file of the directory, in bytes.
	maxEntry = 2 * profile.MaxSize
)

// keyOf names all that a result depends on: every word of the layers, the machine, and the programs that make and prove
// it. A plan with the same key has the same result.
func keyOf(plan stack.Plan, prover string) string {
	all, err := json.Marshal(struct {
		Strata, Prover string
		Plan           stack.Plan
	}{version.String(), prover, plan})
	if err != nil {
		panic(fmt.Sprintf("a plan is plain data: %v", err))
	}
	sum := sha256.Sum256(all)
	return hex.EncodeToString(sum[:])
}

// recall finds a result that was proven before. A file that can not be read is as good as none: it is made again.
func (n Node) recall(key string) *Enforced {
	root, err := safefile.OpenRoot(n.State)
	if err != nil {
		return nil
	}
	defer root.Close()
	data, err := root.Read(entryFile(key), maxEntry, safefile.Guarded)
	if err != nil {
		return nil
	}
	e, err := parseEnforced(data)
	if err != nil {
		return nil
	}
	e.Notes = nil
	return e
}

// parseEnforced reads what was proven.
func parseEnforced(data []byte) (*Enforced, error) {
	e := new(Enforced)
	if err := json.Unmarshal(data, e); err != nil {
		return nil, err
	}
	if len(e.Layers) == 0 {
		return nil, errors.New("it says no layers")
	}
	return e, nil
}

// remember keeps a result.
func (n Node) remember(key string, e *Enforced) error {
	data, err := json.Marshal(e)
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
