package sockdiag

import (
	"encoding/binary"
	"math/bits"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TCPInfo is struct tcp_info as the kernel gave it (include/uapi/linux/tcp.h),
// packed: half of its words are zero in most sockets, and are left out. It grows at
// its end from version to version, so its length says what is in it.
//
// Its first byte is that length, the next eight are a bit for each word that is not
// zero, and these words follow.
type TCPInfo []byte

const (
	wordsAt   = 1 + 8
	mostWords = 64
)

// PackTCPInfo packs a structure of the kernel's, as far as is of use.
func PackTCPInfo(raw []byte) TCPInfo { return appendInfo(nil, raw) }

// appendInfo appends it packed; nothing for nothing.
func appendInfo(to, raw []byte) []byte {
	if len(raw) == 0 {
		return to
	}
	raw = raw[:min(len(raw), infoBytes)]
	at := len(to)
	to = append(to, uint8(len(raw)), 0, 0, 0, 0, 0, 0, 0, 0)
	var there uint64
	for i := uint(0); len(raw) > 0; i++ {
		var last [4]byte
		word := raw
		if len(raw) < len(last) {
			copy(last[:], raw)
			word, raw = last[:], nil
		} else {
			raw = raw[len(last):]
		}
		if n := binary.NativeEndian.Uint32(word); n != 0 {
			there |= 1 << i
			to = binary.NativeEndian.AppendUint32(to, n)
		}
	}
	binary.NativeEndian.PutUint64(to[at+1:], there)
	return to
}

// word returns a word of the structure as it lies in memory.
func (t TCPInfo) word(i uint8) (b [4]byte) {
	there := binary.NativeEndian.Uint64(t[1:])
	if there>>i&1 != 0 {
		before := bits.OnesCount64(there & (1<<i - 1))
		copy(b[:], t[wordsAt+4*before:])
	}
	return b
}

// InfoField is one number of it.
type InfoField uint8

// The fields that are used, and the first kernel that has them where that is
// after 4.0. Times are in microseconds except LastDataSent, LastDataRecv and
// LastAckRecv, which are in milliseconds; rates are in bytes a second.
const (
	CAState InfoField = iota
	Retransmits
	Probes
	Backoff
	Options
	SndWscale
	RcvWscale
	AppLimited // 4.9
	RTO
	ATO
	SndMSS
	RcvMSS
	Unacked
	Sacked
	Lost
	Retrans
	LastDataSent
	LastDataRecv
	LastAckRecv
	PMTU
	RcvSsthresh
	RTT
	RTTVar
	SndSsthresh
	SndCwnd
	AdvMSS
	Reordering
	RcvRTT
	RcvSpace
	TotalRetrans
	PacingRate
	MaxPacingRate
	BytesAcked    // 4.1
	BytesReceived // 4.1
	SegsOut       // 4.2
	SegsIn        // 4.2
	NotsentBytes  // 4.6
	MinRTT        // 4.6
	DataSegsIn    // 4.6
	DataSegsOut   // 4.6
	DeliveryRate  // 4.9
	BusyTime      // 4.10
	RwndLimited   // 4.10
	SndbufLimited // 4.10
	Delivered     // 4.18
	DeliveredCE   // 4.18
	BytesSent     // 4.19
	BytesRetrans  // 4.19
	DsackDups     // 4.19
	ReordSeen     // 4.19
	RcvOoopack    // 5.4
	SndWnd        // 5.4
	RcvWnd        // 6.2
	Rehash        // 6.2
	TotalRTO      // 6.7
	TotalRTOTime  // 6.7, in milliseconds
	nInfoFields
)

// layout is where a field lies; a mask where it is less than a byte.
type layout struct {
	at, size uint8
	shift    uint8
	mask     uint8
	until    uint8 // the length from which on it is there, if not its own end
}

// Bits that struct unix.TCPInfo has no names for: the kernel packs the scales of
// the window into the byte behind the options, the one for sending low, and the
// marks of a delivery rate into the next, which was padding before there was one.
const (
	wscaleAt = unsafe.Offsetof(unix.TCPInfo{}.Options) + 1
	limitsAt = wscaleAt + 1
	rateEnd  = unsafe.Offsetof(unix.TCPInfo{}.Delivery_rate) + 8
)

// infoBytes is how much of a tcp_info is of use.
const infoBytes = int(unsafe.Offsetof(unix.TCPInfo{}.Total_rto_time) + 4)

var infoLayout = [nInfoFields]layout{
	CAState:       {at: uint8(unsafe.Offsetof(unix.TCPInfo{}.Ca_state)), size: 1},
	Retransmits:   {at: uint8(unsafe.Offsetof(unix.TCPInfo{}.Retransmits)), size: 1},
	Probes:        {at: uint8(unsafe.Offsetof(unix.TCPInfo{}.Probes)), size: 1},
	Backoff:       {at: uint8(unsafe.Offsetof(unix.TCPInfo{}.Backoff)), size: 1},
	Options:       {at: uint8(unsafe.Offsetof(unix.TCPInfo{}.Options)), size: 1},
	SndWscale:     {at: uint8(wscaleAt), size: 1, mask: 0xf},
	RcvWscale:     {at: uint8(wscaleAt), size: 1, shift: 4, mask: 0xf},
	AppLimited:    {at: uint8(limitsAt), size: 1, mask: 1, until: uint8(rateEnd)},
	RTO:           {at: uint8(unsafe.Offsetof(unix.TCPInfo{}.Rto)), size: 4},
	ATO:           {at: uint8(unsafe.Offsetof(unix.TCPInfo{}.Ato)), size: 4},
	SndMSS:        {at: uint8(unsafe.Offsetof(unix.TCPInfo{}.Snd_mss)), size: 4},
	RcvMSS:        {at: uint8(unsafe.Offsetof(unix.TCPInfo{}.Rcv_mss)), size: 4},
	Unacked:       {at: uint8(unsafe.Offsetof(unix.TCPInfo{}.Unacked)), size: 4},
	Sacked:        {at: uint8(unsafe.Offsetof(unix.TCPInfo{}.Sacked)), size: 4},
	Lost:          {at: uint8(unsafe.Offsetof(unix.TCPInfo{}.Lost)), size: 4},
	Retrans:       {at: uint8(unsafe.Offsetof(unix.TCPInfo{}.Retrans)), size: 4},
	LastDataSent:  {at: uint8(unsafe.Offsetof(unix.TCPInfo{}.Last_data_sent)), size: 4},
	LastDataRecv:  {at: uint8(unsafe.Offsetof(unix.TCPInfo{}.Last_data_recv)), size: 4},
	LastAckRecv:   {at: uint8(unsafe.Offsetof(unix.TCPInfo{}.Last_ack_recv)), size: 4},
	PMTU:          {at: uint8(unsafe.Offsetof(unix.TCPInfo{}.Pmtu)), size: 4},
	RcvSsthresh:   {at: uint8(unsafe.Offsetof(unix.TCPInfo{}.Rcv_ssthresh)), size: 4},
	RTT:           {at: uint8(unsafe.Offsetof(unix.TCPInfo{}.Rtt)), size: 4},
	RTTVar:        {at: uint8(unsafe.Offsetof(unix.TCPInfo{}.Rttvar)), size: 4},
	SndSsthresh:   {at: uint8(unsafe.Offsetof(unix.TCPInfo{}.Snd_ssthresh)), size: 4},
	SndCwnd:       {at: uint8(unsafe.Offsetof(unix.TCPInfo{}.Snd_cwnd)), size: 4},
	AdvMSS:        {at: uint8(unsafe.Offsetof(unix.TCPInfo{}.Advmss)), size: 4},
	Reordering:    {at: uint8(unsafe.Offsetof(unix.TCPInfo{}.Reordering)), size: 4},
	RcvRTT:        {at: uint8(unsafe.Offsetof(unix.TCPInfo{}.Rcv_rtt)), size: 4},
	RcvSpace:      {at: uint8(unsafe.Offsetof(unix.TCPInfo{}.Rcv_space)), size: 4},
	TotalRetrans:  {at: uint8(unsafe.Offsetof(unix.TCPInfo{}.Total_retrans)), size: 4},
	PacingRate:    {at: uint8(unsafe.Offsetof(unix.TCPInfo{}.Pacing_rate)), size: 8},
	MaxPacingRate: {at: uint8(unsafe.Offsetof(unix.TCPInfo{}.Max_pacing_rate)), size: 8},
	BytesAcked:    {at: uint8(unsafe.Offsetof(unix.TCPInfo{}.Bytes_acked)), size: 8},
	BytesReceived: {at: uint8(unsafe.Offsetof(unix.TCPInfo{}.Bytes_received)), size: 8},
	SegsOut:       {at: uint8(unsafe.Offsetof(unix.TCPInfo{}.Segs_out)), size: 4},
	SegsIn:        {at: uint8(unsafe.Offsetof(unix.TCPInfo{}.Segs_in)), size: 4},
	NotsentBytes:  {at: uint8(unsafe.Offsetof(unix.TCPInfo{}.Notsent_bytes)), size: 4},
	MinRTT:        {at: uint8(unsafe.Offsetof(unix.TCPInfo{}.Min_rtt)), size: 4},
	DataSegsIn:    {at: uint8(unsafe.Offsetof(unix.TCPInfo{}.Data_segs_in)), size: 4},
	DataSegsOut:   {at: uint8(unsafe.Offsetof(unix.TCPInfo{}.Data_segs_out)), size: 4},
	DeliveryRate:  {at: uint8(unsafe.Offsetof(unix.TCPInfo{}.Delivery_rate)), size: 8},
	BusyTime:      {at: uint8(unsafe.Offsetof(unix.TCPInfo{}.Busy_time)), size: 8},
	RwndLimited:   {at: uint8(unsafe.Offsetof(unix.TCPInfo{}.Rwnd_limited)), size: 8},
	SndbufLimited: {at: uint8(unsafe.Offsetof(unix.TCPInfo{}.Sndbuf_limited)), size: 8},
	Delivered:     {at: uint8(unsafe.Offsetof(unix.TCPInfo{}.Delivered)), size: 4},
	DeliveredCE:   {at: uint8(unsafe.Offsetof(unix.TCPInfo{}.Delivered_ce)), size: 4},
	BytesSent:     {at: uint8(unsafe.Offsetof(unix.TCPInfo{}.Bytes_sent)), size: 8},
	BytesRetrans:  {at: uint8(unsafe.Offsetof(unix.TCPInfo{}.Bytes_retrans)), size: 8},
	DsackDups:     {at: uint8(unsafe.Offsetof(unix.TCPInfo{}.Dsack_dups)), size: 4},
	ReordSeen:     {at: uint8(unsafe.Offsetof(unix.TCPInfo{}.Reord_seen)), size: 4},
	RcvOoopack:    {at: uint8(unsafe.Offsetof(unix.TCPInfo{}.Rcv_ooopack)), size: 4},
	SndWnd:        {at: uint8(unsafe.Offsetof(unix.TCPInfo{}.Snd_wnd)), size: 4},
	RcvWnd:        {at: uint8(unsafe.Offsetof(unix.TCPInfo{}.Rcv_wnd)), size: 4},
	Rehash:        {at: uint8(unsafe.Offsetof(unix.TCPInfo{}.Rehash)), size: 4},
	TotalRTO:      {at: uint8(unsafe.Offsetof(unix.TCPInfo{}.Total_rto)), size: 2},
	TotalRTOTime:  {at: uint8(unsafe.Offsetof(unix.TCPInfo{}.Total_rto_time)), size: 4},
}

// Get returns a number; false where this kernel's structure ends before it.
func (t TCPInfo) Get(f InfoField) (uint64, bool) {
	l := &infoLayout[f]
	if len(t) < wordsAt || int(t[0]) < max(int(l.at)+int(l.size), int(l.until)) {
		return 0, false
	}
	b := t.word(l.at / 4)
	switch from := l.at % 4; {
	case l.mask != 0:
		return uint64(b[from] >> l.shift & l.mask), true
	case l.size == 1:
		return uint64(b[from]), true
	case l.size == 2:
		return uint64(binary.NativeEndian.Uint16(b[from:])), true
	case l.size == 4:
		return uint64(binary.NativeEndian.Uint32(b[:])), true
	}
	next := t.word(l.at/4 + 1)
	return binary.NativeEndian.Uint64([]byte{b[0], b[1], b[2], b[3], next[0], next[1], next[2], next[3]}), true
}

// Num returns a number; 0 if unknown, for sums and comparisons to which
// that makes no difference.
func (t TCPInfo) Num(f InfoField) uint64 {
	n, _ := t.Get(f)
	return n
}
