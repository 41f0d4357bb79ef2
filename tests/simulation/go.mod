// The Pebble that plays a pod's containers: `go install -mod=mod` beside this file builds it.
module simulation

go 1.24

require github.com/canonical/pebble v1.26.0
