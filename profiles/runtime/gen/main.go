// Command gen writes runtime/default.json: the default profile of containers/common, in the layout of Strata's own profiles.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/containers/common/pkg/seccomp"

	"strata/internal/profile"
)

func main() {
	if err := run("runtime/default.json"); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(file string) error {
	data, err := generate()
	if err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o644)
}

func generate() ([]byte, error) {
	data, err := json.Marshal(seccomp.DefaultProfile())
	if err != nil {
		return nil, err
	}
	p, warnings, err := profile.Parse(profile.RuntimeDefault, data)
	if err != nil {
		return nil, err
	}
	if err := warnings.Strict(); err != nil {
		return nil, err
	}
	data, _, err = p.Write(profile.Docker)
	return data, err
}
