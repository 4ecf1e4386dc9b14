// Package profiles carries the profiles that programs need even where no file of them is installed. It holds data only.
package profiles

import _ "embed"

//go:generate go run ./runtime/gen

// RuntimeDefault is the default profile of github.com/containers/common, the version that go.mod requires.
//
//go:embed runtime/default.json
var RuntimeDefault []byte
