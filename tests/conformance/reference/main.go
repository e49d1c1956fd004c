// Command reference answers what Kubernetes' own compiler for device selectors says of an expression.
//
// It reads one JSON object a line on standard input:
//
//	{"expr": "...", "device": {...}, "times": 1, "stored": false, "gates": {"DRAListTypeAttributes": true}}
//
// where device is a device of a ResourceSlice (resource.k8s.io/v1) with the driver's name added as "driver", and gates
// overrides the defaults of the Kubernetes minor it was built for. It writes one JSON object a line, see answer.
// With -time it compiles and evaluates each expression in a warm loop and writes the medians instead; with -passes N
// it compiles all expressions one after the other, N times, and writes the median of each.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"reflect"
	"slices"
	"time"

	resourceapi "k8s.io/api/resource/v1"
	"k8s.io/apiserver/pkg/cel/environment"
	dracel "k8s.io/dynamic-resource-allocation/cel"
)

type device struct {
	Driver string `json:"driver"`
	resourceapi.Device
}

type question struct {
	Expr   string          `json:"expr"`
	Device *device         `json:"device"`
	Times  int             `json:"times"`
	Stored bool            `json:"stored"`
	Gates  map[string]bool `json:"gates"`
}

// answer has the compiler's verdict (OK, Error, Type, MaxCost), what the API server makes of it (Kind: ok, invalid,
// too-costly or too-long, the last without compiling) and, if a device was given, the outcome of the evaluation. Seen
// has the different outcomes of an expression that is to be evaluated several times: Go's maps have no order.
type answer struct {
	Expr    string `json:"expr"`
	OK      bool   `json:"ok"`
	Kind    string `json:"kind"`
	Error   string `json:"error"`
	Type    string `json:"type"`
	MaxCost uint64 `json:"max_cost"`
	outcome
	Seen []outcome `json:"seen,omitempty"`
}

type outcome struct {
	Result    *bool   `json:"result,omitempty"`
	EvalError string  `json:"eval_error,omitempty"`
	Cost      *uint64 `json:"cost,omitempty"`
}

type timing struct {
	Expr      string `json:"expr"`
	CompileNS int64  `json:"compile_ns"`
	EvalNS    int64  `json:"eval_ns"`
}

type compiler interface {
	CompileCELExpression(expression string, options dracel.Options) dracel.CompilationResult
}

// compilers keeps one for each set of gates: the package itself caches only the last.
var compilers = map[dracel.Features]compiler{}

func compilerFor(gates map[string]bool) compiler {
	wanted := features(gates)
	if compilers[wanted] == nil {
		compilers[wanted] = dracel.GetCompiler(wanted)
	}
	return compilers[wanted]
}

func gate(gates map[string]bool, name string, byDefault bool) bool {
	if enabled, given := gates[name]; given {
		return enabled
	}
	return byDefault
}

func (q question) compile() dracel.CompilationResult {
	envType := environment.NewExpressions
	if q.Stored {
		envType = environment.StoredExpressions
	}
	return compilerFor(q.Gates).CompileCELExpression(q.Expr, dracel.Options{EnvType: &envType})
}

func (q question) input() dracel.Device {
	return dracel.Device{
		Driver:                   q.Device.Driver,
		AllowMultipleAllocations: q.Device.AllowMultipleAllocations,
		Attributes:               q.Device.Attributes,
		Capacity:                 q.Device.Capacity,
	}
}

func (q question) answer() (a answer) {
	a = answer{Expr: q.Expr, Kind: "invalid"}
	defer func() {
		if problem := recover(); problem != nil {
			a = answer{Expr: q.Expr, Kind: "invalid", Error: fmt.Sprintf("panic: %v", problem)}
		}
	}()
	if len(q.Expr) > resourceapi.CELSelectorExpressionMaxLength {
		a.Kind = "too-long"
		return a
	}
	result := q.compile()
	if result.Error != nil {
		a.Error = result.Error.Detail
		return a
	}
	a.OK, a.Type, a.MaxCost, a.Kind = true, result.OutputType.String(), result.MaxCost, "ok"
	if result.MaxCost > resourceapi.CELSelectorExpressionMaxCost {
		a.Kind = "too-costly"
	}
	if q.Device == nil {
		return a
	}
	a.outcome = q.evaluate(result)
	if q.Times > 1 {
		a.Seen = []outcome{a.outcome}
	}
	for range q.Times - 1 {
		next := q.evaluate(result)
		if !slices.ContainsFunc(a.Seen, func(seen outcome) bool { return reflect.DeepEqual(seen, next) }) {
			a.Seen = append(a.Seen, next)
		}
	}
	return a
}

func (q question) evaluate(result dracel.CompilationResult) (o outcome) {
	matches, details, err := result.DeviceMatches(context.Background(), q.input())
	if err != nil {
		o.EvalError = err.Error()
	} else {
		o.Result = &matches
	}
	if details != nil {
		o.Cost = details.ActualCost()
	}
	return o
}

// rounds and the inner loop keep the clock's own resolution out of the median.
const rounds, inner = 31, 20

func median(action func()) int64 {
	for range inner {
		action()
	}
	samples := make([]int64, rounds)
	for i := range samples {
		start := time.Now()
		for range inner {
			action()
		}
		samples[i] = time.Since(start).Nanoseconds() / inner
	}
	slices.Sort(samples)
	return samples[rounds/2]
}

func (q question) timing() timing {
	t := timing{Expr: q.Expr}
	t.CompileNS = median(func() { q.compile() })
	if result := q.compile(); q.Device != nil && result.Error == nil {
		input := q.input()
		t.EvalNS = median(func() { _, _, _ = result.DeviceMatches(context.Background(), input) })
	}
	return t
}

// inPasses times the compilation of all expressions in a row, as an API server meets them: seldom the same one again.
func inPasses(questions []question, passes int) []timing {
	samples := make([][]int64, len(questions))
	for range passes {
		for i, q := range questions {
			start := time.Now()
			q.try()
			samples[i] = append(samples[i], time.Since(start).Nanoseconds())
		}
	}
	timings := make([]timing, len(questions))
	for i, q := range questions {
		slices.Sort(samples[i])
		timings[i] = timing{Expr: q.Expr, CompileNS: samples[i][passes/2]}
	}
	return timings
}

func (q question) try() {
	defer func() { _ = recover() }()
	if len(q.Expr) <= resourceapi.CELSelectorExpressionMaxLength {
		q.compile()
	}
}

func main() {
	timed := flag.Bool("time", false, "write the median nanoseconds of compiling and of evaluating each expression")
	passes := flag.Int("passes", 0, "write the median nanoseconds of compiling each expression in so many passes over all")
	flag.Parse()
	decoder := json.NewDecoder(bufio.NewReader(os.Stdin))
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	write := func(reply any) {
		if err := encoder.Encode(reply); err != nil {
			log.Fatal(err)
		}
	}
	var kept []question
	for decoder.More() {
		var q question
		if err := decoder.Decode(&q); err != nil {
			log.Fatalf("not a question: %v", err)
		}
		switch {
		case *passes > 0:
			kept = append(kept, q)
		case *timed:
			write(q.timing())
		default:
			write(q.answer())
		}
	}
	for _, t := range inPasses(kept, *passes) {
		write(t)
	}
}
