// cedar-go asked the questions of tests/bench/cedar.c: `cedar_go run FOLDER SHAPE COUNT` prints the same JSON line.
// Its native evaluator is measured at its best: one processor (no collector beside it), policies compiled before, and
// the faster of its own PolicySet and a plain slice of the same policies.
package main

import (
	"encoding/json"
	"fmt"
	"iter"
	"os"
	"runtime"
	"strconv"
	"syscall"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
	"github.com/cedar-policy/cedar-go/x/exp/schema"
	"github.com/cedar-policy/cedar-go/x/exp/schema/validate"
)

const enough = 300_000_000 // nanoseconds of one measurement

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func read(folder, name string) []byte {
	data, err := os.ReadFile(folder + "/" + name)
	must(err)
	return data
}

func cpu() int64 {
	var usage syscall.Rusage
	must(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return usage.Utime.Nano() + usage.Stime.Nano()
}

func measure(step int, work func()) float64 {
	rounds, begin := 0, cpu()
	for {
		for i := 0; i < step; i++ {
			work()
		}
		rounds += step
		if spent := cpu() - begin; spent >= enough {
			return float64(spent) / float64(rounds) / 1000
		}
	}
}

type slice struct {
	ids      []cedar.PolicyID
	policies []*cedar.Policy
}

func (s slice) All() iter.Seq2[cedar.PolicyID, *cedar.Policy] {
	return func(yield func(cedar.PolicyID, *cedar.Policy) bool) {
		for i := range s.ids {
			if !yield(s.ids[i], s.policies[i]) {
				return
			}
		}
	}
}

func main() {
	runtime.GOMAXPROCS(1)
	if len(os.Args) != 5 || os.Args[1] != "run" {
		fmt.Fprintln(os.Stderr, "usage: cedar_go run FOLDER SHAPE COUNT")
		os.Exit(2)
	}
	folder, shape := os.Args[2], os.Args[3]
	count, err := strconv.Atoi(os.Args[4])
	must(err)
	text := read(folder, fmt.Sprintf("%s-%d.cedar", shape, count))
	var entities types.EntityMap
	must(json.Unmarshal(read(folder, "entities.json"), &entities))
	var asked struct {
		Principal, Action, Resource types.EntityUID
		Context                     types.Record
	}
	must(json.Unmarshal(read(folder, "request.json"), &asked))
	request := cedar.Request{Principal: asked.Principal, Action: asked.Action, Resource: asked.Resource, Context: asked.Context}

	set, err := cedar.NewPolicySetFromBytes("bench", text)
	must(err)
	list, err := cedar.NewPolicyListFromBytes("bench", text)
	must(err)
	flat := slice{policies: list}
	for i := range list {
		flat.ids = append(flat.ids, cedar.PolicyID(fmt.Sprintf("policy%d", i)))
	}
	decision, _ := cedar.Authorize(set, entities, request)
	ofSet := measure(100, func() { cedar.Authorize(set, entities, request) })
	ofSlice := measure(100, func() { cedar.Authorize(flat, entities, request) })

	var parsed schema.Schema
	must(parsed.UnmarshalCedar(read(folder, "schema.cedarschema")))
	resolved, err := parsed.Resolve()
	must(err)
	load := measure(1, func() {
		list, err := cedar.NewPolicyListFromBytes("bench", text)
		must(err)
		validator := validate.New(resolved)
		for i, policy := range list {
			must(validator.Policy(fmt.Sprintf("policy%d", i), (*ast.Policy)(policy.AST())))
		}
	})
	fmt.Printf("{\"engine\":\"cedar-go\",\"shape\":%q,\"policies\":%d,\"decision_us\":%.3f,\"load_us\":%.1f,\"allow\":%v}\n",
		shape, count, min(ofSet, ofSlice), load, decision == cedar.Allow)
}
