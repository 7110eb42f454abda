package cmd

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kwhy/inspect/inspecttest"
)

// Each file that the network is read from is garbage, cut or empty in turn.
func TestSpoiledNetworkFiles(t *testing.T) {
	long(t, "it runs some thousand commands")
	b, err := os.ReadFile("../inspect/testdata/hosts/linux-6.18-lossy-net.txtar")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := inspecttest.Unpack(dir, b); err != nil {
		t.Fatal(err)
	}
	runs, files := 0, 0
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || strings.Contains(path, "/sys/class/net/ifb") {
			return err
		}
		if files++; !inspecttest.HasTurn(files) {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil // one that may not be read
		}
		for _, bad := range inTurn(files, []byte("\xff%%% nothing of the kind\n\x00"), text[:len(text)/2], nil,
			[]byte("18446744073709551615 -1 99999999999999999999\n")) {
			if err := os.WriteFile(path, bad, 0o644); err != nil {
				return err
			}
			for _, args := range [][]string{{"net"}, {"net", "--netns", "520"}, {"net", "--all-netns"}} {
				runs++
				spoiled(t, dir, strings.TrimPrefix(path, dir), args)
			}
		}
		return os.WriteFile(path, text, 0o644)
	})
	if err != nil || !enough(runs, 1000) {
		t.Errorf("%d runs, %v", runs, err)
	}
}
