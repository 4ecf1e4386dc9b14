// Package apps records the profiles in profiles/app with Strata itself, from real servers under a realistic load, and
// shows that each server starts and does all its work under its profile and a runtime's base.
//
// STRATA_APPS=N go test -run TestRecord ./test/apps lets each application do its work N times under each runtime and
// writes profiles/app anew:
//
//	NAME.json           the application's part of what was recorded
//	NAME.recorded.json  versions, numbers of runs, and for each call in how many it was seen
//
// It knows what people do with these servers. It must never know how a recording is made or a stack enforced.
package apps
