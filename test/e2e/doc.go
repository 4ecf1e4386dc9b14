// Package e2e shows that what Strata promises holds with real engines and runtimes: every test runs containers on a
// machine of the testbed, with Strata installed there by the Makefile, and looks at what is on disk afterwards.
//
// It must never know how a promise is kept: nothing but what users see is judged.
package e2e
