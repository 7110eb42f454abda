package kmsg

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"io"
)

// FormatError says that a log is packed in a way that is not read here, and what
// unpacks it.
type FormatError struct{ What, Use string }

// Error says it in a sentence.
func (e *FormatError) Error() string { return "it is " + e.What + ": unpack it first, " + e.Use }

// Unpack returns a log as lines: unpacked, where it is packed with gzip or bzip2,
// and as it is otherwise. Its beginning decides, never its name. What can't be
// unpacked here is a *FormatError.
func Unpack(r io.Reader) (*bufio.Reader, error) {
	in := bufio.NewReaderSize(r, maxLine)
	head, err := in.Peek(8)
	if err != nil && len(head) == 0 {
		if err == io.EOF {
			return in, nil
		}
		return nil, err
	}
	for _, known := range [...]struct {
		magic string
		what  FormatError
	}{
		{"\xfd7zXZ\x00", FormatError{"packed with xz", "with xz -dc FILE | kwhy oom log -"}},
		{"\x28\xb5\x2f\xfd", FormatError{"packed with zstd", "with zstd -dc FILE | kwhy oom log -"}},
		{"\x04\x22\x4d\x18", FormatError{"packed with lz4", "with lz4 -dc FILE | kwhy oom log -"}},
		{"LPKSHHRH", FormatError{"a journal file", "with journalctl -k --file FILE | kwhy oom log -"}},
	} {
		if bytes.HasPrefix(head, []byte(known.magic)) {
			return nil, &known.what
		}
	}
	switch {
	case bytes.HasPrefix(head, []byte("\x1f\x8b")):
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, err
		}
		return bufio.NewReaderSize(z, maxLine), nil
	case bytes.HasPrefix(head, []byte("BZh")):
		return bufio.NewReaderSize(bzip2.NewReader(in), maxLine), nil
	}
	return in, nil
}
