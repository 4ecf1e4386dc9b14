package filter

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	seccomp "github.com/seccomp/libseccomp-golang"

	"strata/internal/ruleset"
	"strata/internal/syscalls"
)

// Cache keeps texts by keys, which are of 64 hexadecimal digits. It may forget and may fail: a text that it cannot
// keep is compiled again.
type Cache interface {
	Get(key string) ([]byte, bool)
	Put(key string, text []byte)
}

// cacheKey is a digest of all that a compiled program depends on, libseccomp's version included.
func cacheKey(fallback ruleset.Action, rules []ruleset.Rule, abis []syscalls.ABI, o Options) string {
	digest := sha256.New()
	major, minor, micro := seccomp.GetLibraryVersion()
	fmt.Fprintf(digest, "1 %d.%d.%d %v %v %v\n", major, minor, micro, o.Linear, abis, fallback)
	for _, r := range rules {
		fmt.Fprintf(digest, "%q %v %v\n", r.Names, r.Action, r.Conditions)
	}
	return hex.EncodeToString(digest.Sum(nil))
}

// kept is a compiled program in a cache.
type kept struct {
	Program []byte    `json:"program"`
	Unknown []Unknown `json:"unknown,omitempty"`
}

func (o Options) recall(key string) *Compiled {
	if o.Cache == nil {
		return nil
	}
	text, ok := o.Cache.Get(key)
	if !ok {
		return nil
	}
	var k kept
	if json.Unmarshal(text, &k) != nil {
		return nil
	}
	program, err := Parse(k.Program)
	if err != nil || len(program) > Limit {
		return nil
	}
	return &Compiled{program, k.Unknown}
}

func (o Options) keep(key string, c *Compiled) {
	if o.Cache == nil {
		return
	}
	if text, err := json.Marshal(kept{c.Program.Bytes(), c.Unknown}); err == nil {
		o.Cache.Put(key, text)
	}
}
