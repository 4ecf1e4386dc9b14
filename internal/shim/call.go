// Package shim stands in for an OCI runtime in front of the real one: the configuration of a container that is about to
// be made is edited as the node's policy and the container say, then the real runtime takes over the process.
// All other calls go to the real runtime as they are.
//
// It knows the command lines of runc and crun. It must never know how a profile is made or what annotations mean.
package shim

import (
	"fmt"
	"slices"
	"strings"
)

// Call is what a runtime's command line says, as far as it concerns the shim.
type Call struct {
	// Command is one of those that make a container, or "" for all that go to the runtime as they are.
	Command string
	// Bundle is the directory of the container's configuration; it may be relative.
	Bundle string
	// ID is the container's.
	ID string
	// Deletes are the ids of containers that are deleted.
	Deletes []string
	// Log is where the runtime is to write messages, "" for standard error, and LogFormat how.
	Log, LogFormat string
}

// Restores reports whether the container is made from a checkpoint.
func (c Call) Restores() bool { return c.Command == restore }

// kind says what follows an option.
type kind uint8

const (
	flag    kind = iota + 1 // nothing
	value                   // a value, behind = or as the next word
	help                    // nothing, and nothing but text is printed
	refused                 // something that the shim can not honour
)

// global are the options before the command, of runc (1.0 to 1.4) and crun (1.8 to 1.26).
var global = map[string]kind{
	"--cgroup-manager": value, "--criu": value, "--log": value, "--log-format": value, "--log-level": value,
	"--root": value, "--rootless": value,
	"--debug": flag, "--systemd-cgroup": flag,
	"--help": help, "--usage": help, "--version": help, "-?": help, "-h": help, "-v": help, "-V": help,
}

const (
	create  = "create"
	run     = "run"
	restore = "restore"
)

// commands are those that make a container, with their options in runc and crun.
var commands = map[string]map[string]kind{
	create: {
		"--bundle": value, "-b": value, "--console-socket": value, "--pid-file": value, "--pidfd-socket": value,
		"--preserve-fds": value, "--no-pivot": flag, "--no-new-keyring": flag, "--no-subreaper": flag,
		"--config": refused, "-f": refused,
		"--help": help, "--usage": help, "-?": help, "-h": help,
	},
	run: {
		"--bundle": value, "-b": value, "--console-socket": value, "--pid-file": value, "--pidfd-socket": value,
		"--preserve-fds": value, "--no-pivot": flag, "--no-new-keyring": flag, "--no-subreaper": flag,
		"--detach": flag, "-d": flag, "--keep": flag,
		"--config": refused, "-f": refused,
		"--help": help, "--usage": help, "-?": help, "-h": help,
	},
	restore: {
		"--bundle": value, "-b": value, "--console-socket": value, "--pid-file": value,
		"--image-path": value, "--work-path": value, "--manage-cgroups-mode": value, "--empty-ns": value,
		"--lsm-profile": value, "--lsm-mount-context": value,
		"--tcp-established": flag, "--ext-unix-sk": flag, "--shell-job": flag, "--file-locks": flag, "--detach": flag,
		"-d": flag, "--no-subreaper": flag, "--no-pivot": flag, "--auto-dedup": flag, "--lazy-pages": flag,
		"--help": help, "--usage": help, "-?": help, "-h": help,
	},
}

// Parse reads a command line without the program's name. Options that it does not know are of no matter unless a
// container may be about to be made: then it is an error, since the bundle could not be told.
func Parse(args []string) (Call, error) {
	before, rest := scan(args, global, true)
	call := Call{Log: before.last("--log"), LogFormat: before.last("--log-format")}
	switch {
	case before.unknown != "":
		if i := slices.IndexFunc(args, func(word string) bool { return commands[word] != nil }); i >= 0 {
			return call, fmt.Errorf("option %.80q: unknown to strata-runtime, which so can not tell what container %q makes", before.unknown, args[i])
		}
		return call, nil
	case before.helps, len(rest) == 0:
		return call, nil
	}
	if rest[0] == "delete" {
		call.Deletes = words(rest[1:])
	}
	known := commands[rest[0]]
	if known == nil {
		return call, nil
	}
	options, _ := scan(rest[1:], known, false)
	switch {
	case options.unknown != "":
		return call, fmt.Errorf("%s: option %.80q: unknown to strata-runtime, which so can not tell what container is made", rest[0], options.unknown)
	case options.helps:
		return call, nil
	case len(options.words) != 1:
		return call, fmt.Errorf("%s: one container id is expected, not %d", rest[0], len(options.words))
	}
	call.Command, call.ID = rest[0], options.words[0]
	if call.Bundle = options.last("--bundle", "-b"); call.Bundle == "" {
		call.Bundle = "."
	}
	return call, nil
}

// words leaves out what looks like an option. None of those of delete takes a value.
func words(args []string) []string {
	return slices.DeleteFunc(slices.Clone(args), func(word string) bool { return strings.HasPrefix(word, "-") })
}

// options are a part of a command line.
type options struct {
	values  [][2]string // names and values, as they are written
	words   []string    // what is no option
	helps   bool
	unknown string // the first option that is not known, as it is written
}

// last returns the value of an option by any of its names: where one is said twice runtimes take the last.
func (o options) last(names ...string) string {
	for _, v := range slices.Backward(o.values) {
		if slices.Contains(names, v[0]) {
			return v[1]
		}
	}
	return ""
}

// scan reads options. It stops at the first word that is none, or collects those, as runc and crun do behind the
// command.
func scan(args []string, known map[string]kind, stop bool) (o options, rest []string) {
	for i := 0; i < len(args); i++ {
		word := args[i]
		switch {
		case word == "--" && stop:
			return o, args[i+1:]
		case word == "--":
			o.words = append(o.words, args[i+1:]...)
			return o, nil
		case !strings.HasPrefix(word, "-") || word == "-":
			if stop {
				return o, args[i:]
			}
			o.words = append(o.words, word)
			continue
		}
		name, joined, hasValue := strings.Cut(word, "=")
		long := strings.HasPrefix(name, "--")
		switch k := known[name]; {
		case k == value && hasValue && long:
			o.values = append(o.values, [2]string{name, joined})
		case k == value && !hasValue && i+1 < len(args):
			i++
			o.values = append(o.values, [2]string{name, args[i]})
		case k == flag && (!hasValue || long && joined == "true"):
		case k == help && !hasValue:
			o.helps = true
		case o.unknown == "":
			o.unknown = word
		}
	}
	return o, nil
}
