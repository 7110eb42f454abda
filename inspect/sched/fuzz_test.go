package sched_test

import (
	"bytes"
	"errors"
	"testing"

	"kwhy/inspect"
	"kwhy/inspect/inspecttest"
	"kwhy/inspect/sched"
)

func FuzzCPUStat(f *testing.F) {
	inspecttest.Seed(
		f,
		func(name string) bool { return name == "proc/stat" },
		"cpu  1 2 3 4\ncpu0 1 2 3 4 5 6 7 8 9 10 11\nctxt 5\n",
		"cpu\n",
		"cpu99999999999 1 2 3 4\n",
	)
	f.Fuzz(func(t *testing.T, b []byte) {
		inspecttest.Mutate(t, b, func(b []byte) {
			s, err := sched.ParseCPUStat(b)
			if err != nil && !errors.Is(err, inspect.ErrMalformed) {
				t.Fatal(err)
			}
			for _, c := range s.CPUs {
				if c.ID < 0 {
					t.Fatalf("CPU %d", c.ID)
				}
			}
		})
	})
}

func FuzzLag(f *testing.F) {
	f.Add([]byte(schedDebug), int32(131))
	f.Add([]byte("eligible deadline\n R a 1 1.000000 E 2.000000 /\n"), int32(1))
	f.Fuzz(func(t *testing.T, b []byte, pid int32) {
		inspecttest.Mutate(t, b, func(b []byte) {
			if l, ok := sched.ParseLag(b, pid); ok && pid <= 0 || !ok && l != (sched.Lag{}) {
				t.Fatalf("%d: %+v, %v", pid, l, ok)
			}
		})
	})
}

func FuzzConfig(f *testing.F) {
	f.Add([]byte("CONFIG_PREEMPT_NONE=y\n# CONFIG_PREEMPT is not set\nCONFIG_HZ=250\n"), true)
	f.Add([]byte("CONFIG_PREEMPT=\n=\n#  is not set\nCONFIG_X"), false)
	f.Fuzz(func(t *testing.T, b []byte, hz bool) {
		inspecttest.Mutate(t, b, func(b []byte) {
			got, err := sched.ParseConfig(bytes.NewReader(b), hz)
			if err != nil && (!errors.Is(err, inspect.ErrMalformed) || got != nil) || err == nil && len(got) == 0 {
				t.Fatalf("%v, %v", got, err)
			}
		})
	})
}
