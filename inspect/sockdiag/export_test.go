package sockdiag

// What the tests, which are outside of the package, need of its inside.

func Messages(b []byte, seq uint32, each func([]byte)) (done, interrupted bool, err error) {
	return messages(b, seq, each)
}

func ParseInet(b []byte, protocol uint8, l *List) { parseInet(b, protocol, l) }

func ParseUnix(b []byte, l *List) { parseUnix(b, l) }

func (l *List) Cut(n int) { l.cut(n) }

// InfoFields is how many fields there are.
const InfoFields = nInfoFields
