// Package hook is what an engine runs at a container's stages: each stage is a file, which reads what the engine says on
// standard input and calls the rooms below.
//
// Every container start on a node may wait for it, so a stage opens only what its container asks for. What it may not
// do is to ignore something: a request is carried out, or the container's start fails and the error says why.
//
// The package knows engines' files and annotations. It must never know how a recording is kept, a profile is made or a
// policy is written.
package hook

import (
	"errors"
	"fmt"
	"io"

	"github.com/sirupsen/logrus"

	"strata/internal/bundle"
	"strata/internal/decide"
	"strata/internal/enforce"
	"strata/internal/policy"
	"strata/internal/recorder"
	"strata/internal/recording"
	"strata/internal/request"
)

// Hook is one call of strata-hook.
type Hook struct {
	// Trust is what the installed hook file says of the annotations' author.
	Trust request.Trust
	// State, Recordings and Policy are the directories of running recordings, of finished ones and of the policy.
	State, Recordings, Policy string
	// Prover proves stacks.
	Prover enforce.Prover
	// Stdin is the engine's, and Stdout goes back to it.
	Stdin  io.Reader
	Stdout io.Writer
	// Log is for the node's administrator. What stops a container is returned as an error as well.
	Log *logrus.Logger

	// tracker is the node's recorder, unless a test has its own.
	tracker recording.Tracker
	// parent is the process that runs the hook, unless a test has its own: 0 is the real one.
	parent int
}

// Default are the directories of an installed Strata.
func Default() Hook {
	return Hook{State: recording.DefaultState, Recordings: recording.DefaultRecordings, Policy: policy.Dir}
}

// Stage is one of the stages that an engine, or a person, can ask for.
type Stage struct {
	Name string
	// About says in a few words what the stage does.
	About string
	Run   func(*Hook) error
}

// Stages lists them.
func Stages() []Stage {
	return []Stage{
		{"precreate", "change the config.json on standard input as its container asks (Podman)", (*Hook).Precreate},
		{"prestart", "verify the profile of the container whose state is on standard input, begin its recording", (*Hook).Prestart},
		{"poststop", "finish the recording of the container whose state is on standard input", (*Hook).Poststop},
		{"gc", "finish the recordings of containers that have ended without a poststop", (*Hook).Collect},
	}
}

// inputLimit bounds what an engine may say: annotations of Kubernetes (256 KiB, repeated by CRI-O), a long profile.
const inputLimit = 16 << 20

// read reads standard input to its end, even when it is too long: an engine that could not say all would fail itself,
// and with a worse message.
func (h *Hook) read() ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(h.Stdin, inputLimit+1))
	if err == nil && len(data) > inputLimit {
		_, err = io.Copy(io.Discard, h.Stdin)
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("read standard input: %w", err)
	case len(data) > inputLimit:
		return nil, fmt.Errorf("standard input: more than %d bytes", inputLimit)
	}
	return data, nil
}

// store opens the node's recordings.
func (h *Hook) store() (*recording.Store, error) {
	tracker := h.tracker
	if tracker == nil {
		node, err := recorder.Open(h.State)
		if err != nil {
			return nil, err
		}
		tracker = node
	}
	return recording.Open(h.State, h.Recordings, tracker)
}

// decide finds what a container asks for and whether it may have it.
func (h *Hook) decide(annotations map[string]string, config *bundle.Config) (*decide.Verdict, error) {
	return decide.By(h.Policy, decide.Container{Annotations: annotations, Trust: h.Trust, Root: config.Root, Env: config.Env})
}

// report writes what became of recordings to the log. It returns their errors for the hook to end with.
func (h *Hook) report(outcomes []*recording.Outcome) error {
	var all []error
	for _, o := range outcomes {
		log := h.Log.WithField("container", o.Container)
		for _, note := range o.Notes {
			log.Warn(note)
		}
		if o.Err == nil && o.Profile != "" {
			log.WithField("profile", o.Profile).Info("recorded")
		}
		all = append(all, o.Err)
	}
	return errors.Join(all...)
}

// reportOthers is report for recordings that are not this hook's: their errors are logged and end nothing.
func (h *Hook) reportOthers(outcomes []*recording.Outcome) {
	if err := h.report(outcomes); err != nil {
		h.Log.Error(Explain(err))
	}
}

// Explain is an error as one line that a person can act on.
func Explain(err error) string {
	text := oneLine(err.Error())
	if advice := recorder.Explain(err); advice != "" {
		text += ": " + advice
	}
	return text
}
