package output

// pieceRows is how many rows of a large grid are rendered at a time.
const pieceRows = 256

// inPieces renders the rows of a large grid in pieces, on two workers, and passes them on
// in order: while one piece is written, the next is rendered. Each worker has a maker of
// its own, whose result is valid until the next call.
func inPieces(n int, maker func() func(from, to int) []byte, write func([]byte)) {
	mine := maker()
	if n < manyRows {
		write(mine(0, n))
		return
	}
	made, again := make(chan []byte), make(chan struct{}, 1)
	go func() {
		defer close(made)
		other := maker()
		for from := pieceRows; from < n; from += 2 * pieceRows {
			made <- other(from, min(from+pieceRows, n))
			<-again
		}
	}()
	for from := 0; from < n; from += 2 * pieceRows {
		write(mine(from, min(from+pieceRows, n)))
		if b, ok := <-made; ok {
			write(b)
			again <- struct{}{}
		}
	}
}
