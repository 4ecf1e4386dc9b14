package recording

import "slices"

// merge joins the runs of two recordings. What describes one run alone is that of the later one, m.
func (m *Metadata) merge(old *Metadata) {
	m.Runs += old.Runs
	m.Processes += old.Processes
	m.Beyond += old.Beyond
	m.Failures += old.Failures
	m.Calls = union(old.Calls, m.Calls)
	m.Denied = union(old.Denied, m.Denied)
	m.Base = sorted(append(slices.Clone(old.Base), m.Base...))
	m.Unfinished = append(slices.Clone(old.Unfinished), m.Unfinished...)
}

// union joins two lists of calls. A call that both have was seen by the runs of both, first at the earlier time,
// and is the application's if it ever was.
func union(a, b []Call) []Call {
	all := append(slices.Clone(a), b...)
	slices.SortStableFunc(all, Call.compare)
	joined := all[:0]
	for _, call := range all {
		last := len(joined) - 1
		if last < 0 || joined[last].compare(call) != 0 {
			joined = append(joined, call)
			continue
		}
		same := &joined[last]
		same.Runs += call.Runs
		if call.First.Before(same.First) {
			same.First = call.First
		}
		if call.Part == ByApplication {
			same.Part = ByApplication
		}
	}
	return joined
}

func sorted(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}
