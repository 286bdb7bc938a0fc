package main

import (
	"encoding/json"
	"os"
	"time"
)

// faults is what a test asks for in /etc/k3s-standin.json; times are in seconds.
type faults struct {
	Say   string  // a line for the journal, at the start
	Die   bool    // and then end
	Never bool    // and then never become ready
	Slow  float64 // become ready that much later
	Learn float64 // be a learner of etcd for so long

	Skew     float64 // give out certificates that are valid only from so long on
	Sysctl   bool    // find kernel settings that cannot be written (k3s issue 10958), and end
	Pressure bool    // find the disk full
}

func readFaults() faults {
	found := faults{Learn: 0.5}
	if content, err := os.ReadFile(under("/etc/k3s-standin.json")); err == nil {
		must(0, json.Unmarshal(content, &found))
	}
	return found
}

func seconds(number float64) time.Duration { return time.Duration(number * float64(time.Second)) }

// begin does what is asked for at the start.
func (f faults) begin() {
	if f.Say != "" {
		say("info", "%s", f.Say)
	}
	if f.Die {
		fatal("%s", f.Say)
	}
	if f.Sysctl {
		klog("E", `"Failed to start ContainerManager" err="open /proc/sys/kernel/panic: read-only file system"`)
		fatal("Error: kubelet exited")
	}
	if f.Pressure {
		klog("W", `"Eviction manager: attempting to reclaim" resourceName="ephemeral-storage"`)
		klog("E", `"Eviction manager: must evict pod(s) to reclaim" resourceName="ephemeral-storage"`)
	}
}

// delay returns when readiness may be, which can be never.
func (f faults) delay() {
	for f.Never {
		wait(time.Second)
	}
	wait(seconds(f.Slow))
}
