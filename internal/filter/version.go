package filter

import (
	"fmt"

	seccomp "github.com/seccomp/libseccomp-golang"
)

// Version is that of the libseccomp that compiles filters here.
func Version() string {
	major, minor, micro := seccomp.GetLibraryVersion()
	return fmt.Sprintf("%d.%d.%d", major, minor, micro)
}
