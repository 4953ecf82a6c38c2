module haechi.bench/cedar_go

go 1.23

require github.com/cedar-policy/cedar-go v1.6.1
