// The scenarios of ../README.md with the libraries of Go: clients LIBRARY BOOTSTRAP PREFIX [SCENARIO,…].
// Prints a line of JSON for each scenario.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

const limit = 60 * time.Second

var libraries = map[string]func(bootstrap []string) Driver{
	"franz-go": openFranz,
	"kafka-go": openKafkaGo,
	"sarama":   openSarama,
}

func main() {
	open, known := libraries[os.Args[1]]
	if !known {
		fmt.Fprintln(os.Stderr, "no such library: "+os.Args[1])
		os.Exit(2)
	}
	driver := open(strings.Split(os.Args[2], ","))
	out := json.NewEncoder(os.Stdout)
	for _, one := range scenarios {
		if len(os.Args) > 4 && !slices.Contains(strings.Split(os.Args[4], ","), one.name) {
			continue
		}
		line := map[string]string{"scenario": one.name, "result": "ok"}
		if reason, lacking := driver.NotInAPI()[one.name]; lacking {
			line["result"], line["reason"] = "n/a", reason
		} else if reason := attempt(one.run, driver, os.Args[3]+"-"+one.name); reason != "" {
			line["result"], line["reason"] = "fail", reason
		}
		_ = out.Encode(line)
	}
}

// attempt says why it failed, or nothing. It runs by itself: one that hangs is left behind.
func attempt(run func(Driver, string), driver Driver, name string) string {
	done := make(chan string, 1)
	go func() {
		defer func() {
			if failed := recover(); failed != nil {
				done <- fmt.Sprintf("%.300v\n%.700s", failed, where())
			}
		}()
		run(driver, name)
		done <- ""
	}()
	select {
	case reason := <-done:
		return reason
	case <-time.After(limit):
		return fmt.Sprintf("not done within %s", limit)
	}
}

// where gives the lines of this module that a panic passed through.
func where() string {
	var lines []string
	for _, line := range strings.Split(string(debug.Stack()), "\n") {
		if at := strings.LastIndex(line, "clients/go/"); at >= 0 {
			lines = append(lines, line[at:])
		}
	}
	return strings.Join(lines, "\n")
}
