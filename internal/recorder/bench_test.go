package recorder

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkTrack is what a hook does in the kernel, without its process: for the first recording, which loads the
// programs, and for another beside it.
func BenchmarkTrack(b *testing.B) {
	for _, others := range []bool{false, true} {
		name := map[bool]string{false: "first", true: "beside another"}[others]
		b.Run(name, func(b *testing.B) {
			node := ownBPFFS(b)
			c, other := startContainer(b, "filtered"), startContainer(b, "filtered")
			if others {
				handle := track(b, node, other.Process.Pid, Options{Denied: true})
				defer node.LetGo(handle)
			}
			var tracking, ending time.Duration
			for b.Loop() {
				begin := time.Now()
				handle := track(b, node, c.Process.Pid, Options{Denied: true})
				tracked := time.Now()
				if err := node.LetGo(handle); err != nil {
					b.Fatal(err)
				}
				tracking, ending = tracking+tracked.Sub(begin), ending+time.Since(tracked)
			}
			b.ReportMetric(float64(tracking.Microseconds())/float64(b.N), "µs/track")
			b.ReportMetric(float64(ending.Microseconds())/float64(b.N), "µs/end")
			for _, process := range []*contained{c, other} {
				unix.Kill(process.Process.Pid, unix.SIGKILL)
				process.Wait()
			}
		})
	}
}

func BenchmarkReadKernelTypes(b *testing.B) {
	for b.Loop() {
		if _, err := readKernelTypes(); err != nil {
			b.Fatal(err)
		}
	}
}
