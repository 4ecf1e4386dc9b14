// Package enforcement shows on real engines and runtimes that containers run under the profiles that they, or the node's
// policy, ask for, and that they do not start where they would not.
//
// It knows what Strata promises. It must never know how a promise is kept.
package enforcement
