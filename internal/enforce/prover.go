package enforce

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"

	"strata/internal/stack"
)

// A Prover is the path of strata-prove, which makes stacks and proves them.
type Prover string

// Refused is the program's exit code for a plan that it could not carry out; standard error says why.
const Refused = 1

// ProverBeside is the one that is installed with a program.
func ProverBeside(program string) Prover {
	return Prover(filepath.Join(filepath.Dir(program), "strata-prove"))
}

// identity tells builds of the program from each other, with all that is linked into them.
func (p Prover) identity() (string, error) {
	var st unix.Stat_t
	if err := unix.Stat(string(p), &st); err != nil {
		return "", fmt.Errorf("%s: %w (it is installed beside strata-hook)", p, err)
	}
	return fmt.Sprint(st.Dev, st.Ino, st.Size, st.Ctim.Nano()), nil
}

// stack makes the stack of a plan and proves it.
func (p Prover) stack(plan stack.Plan) (*Enforced, error) {
	question, err := json.Marshal(plan)
	if err != nil {
		return nil, err
	}
	var answer, complaint bytes.Buffer
	program := exec.Command(string(p))
	program.Env, program.Dir = []string{}, "/"
	program.Stdin, program.Stdout, program.Stderr = bytes.NewReader(question), &answer, &complaint
	if err := program.Run(); err != nil {
		if failed := (*exec.ExitError)(nil); errors.As(err, &failed) && failed.ExitCode() == Refused && complaint.Len() > 0 {
			return nil, errors.New(string(bytes.TrimSpace(complaint.Bytes())))
		}
		return nil, fmt.Errorf("%s: %w: %.400s", p, err, complaint.Bytes())
	}
	e := new(Enforced)
	if err := cmp.Or(json.Unmarshal(answer.Bytes(), e), e.check()); err != nil {
		return nil, fmt.Errorf("%s: its answer: %w", p, err)
	}
	return e, nil
}
