package hook

import (
	"errors"
	"fmt"
	"maps"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"strata/internal/policy"
	"strata/internal/recording"
	"strata/internal/request"
	"strata/internal/safefile"
)

// Prestart begins to record a container that asks for it, and makes sure that it has the profile that it asks for. The
// container's init waits meanwhile: its namespaces and cgroups are there, its seccomp filter is not.
func (h *Hook) Prestart() error {
	data, err := h.read()
	if err != nil {
		return err
	}
	state, err := parseState(data)
	if err != nil {
		return err
	}
	config, err := readContainer(state.Bundle)
	if err != nil {
		return err
	}
	annotations, err := agreed(state, config)
	if err != nil {
		return err
	}
	verdict, err := h.decide(annotations, config.Config)
	if err != nil {
		return err
	}
	if err := h.verify(state, config, verdict); err != nil {
		return err
	}
	if verdict.Record == nil {
		return nil
	}
	job, err := h.job(state, verdict.Request.Identity, verdict.Record, config)
	if err != nil {
		return err
	}
	err = h.start(job)
	if err == nil || verdict.OnRecordFailure != policy.Warn || errors.Is(err, recording.ErrRefused) {
		return err
	}
	h.Log.WithField("container", state.ID).Errorf("it runs and is not recorded, as the policy says: %s", Explain(err))
	return nil
}

// agreed are the annotations of the state and of config.json. crun cuts those of the state at a NUL, and what would be
// read in two ways is refused.
func agreed(state *specs.State, config *container) (map[string]string, error) {
	all := maps.Clone(config.Annotations)
	if all == nil {
		all = map[string]string{}
	}
	for key, value := range state.Annotations {
		if written, found := all[key]; found && written != value {
			return nil, fmt.Errorf("annotation %.80q: it is %.80q in config.json and %.80q in the state", key, written, value)
		}
		all[key] = value
	}
	return all, nil
}

func (h *Hook) start(job recording.Job) error {
	store, err := h.store()
	if err != nil {
		return err
	}
	earlier, err := store.Start(job)
	h.reportOthers(earlier)
	return errors.Join(err, store.Close())
}

// profileLimit bounds an input profile: the running file keeps it, beside other things.
const profileLimit = 1 << 20

// job says to the recordings what a request means for this container.
func (h *Hook) job(state *specs.State, id request.Identity, r *request.Record, config *container) (recording.Job, error) {
	if state.Pid <= 0 {
		return recording.Job{}, fmt.Errorf("annotation %s: the state of container %s says no pid: nothing can be recorded", r.Key, state.ID)
	}
	job := recording.Job{
		Container: state.ID,
		PID:       state.Pid,
		Output:    recording.Output{Name: r.Name, Path: r.Output},
		Merge:     r.Merge,
		Seccomp:   "keep",
		Origin: recording.Origin{
			Engine:  string(id.Engine),
			Image:   id.Image,
			Runtime: h.runtime(),
		},
	}
	if r.Unconfined {
		job.Seccomp = "unconfined"
	}
	job.Options.Unfiltered = !config.filtered()
	job.Options.Denied = r.Denied && config.denies()
	if r.Input != "" {
		data, err := safefile.ReadPath(r.Input, profileLimit)
		if err != nil {
			return job, fmt.Errorf("annotation %s: %w", r.Key, err)
		}
		job.Input = &recording.Input{Path: r.Input, Profile: data}
	}
	return job, nil
}
