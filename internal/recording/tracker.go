package recording

import "strata/internal/recorder"

// Tracker is the kernel's side of recordings; *recorder.Node is one.
type Tracker interface {
	// Track begins to count the calls of a process and all that descends from it. Before it does, it has the handle saved.
	Track(pid int, o recorder.Options, save func(recorder.Handle) error) error
	// Harvest reads what was counted, as often as it is asked. recorder.ErrGone says that there is nothing any more.
	Harvest(recorder.Handle) (*recorder.Result, error)
	// LetGo ends the counting and frees what it took. That there is nothing any more is no error.
	LetGo(recorder.Handle) error
	// Sweep frees what killed processes left without a recording.
	Sweep() error
}
