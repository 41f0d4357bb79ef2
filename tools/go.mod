// What checks the workflows: `go install -mod=mod` beside this file builds it, as .ci/tools does.
module tools

go 1.25

require github.com/rhysd/actionlint v1.7.12
