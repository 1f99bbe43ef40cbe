// Package slot says when a mail that asks somebody is to arrive: in a window of weekdays and hours of their own time zone, spread
// evenly over all who are asked, month after month; and whom a lot falls on.
//
// A time that clocks show twice is the first of the two instants. One that they skip is later by as much as they skip: where they go from
// 2 to 3 o'clock, half past two is half past three.
package slot

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
)

// Lot is what somebody draws for a purpose: the SHA-256 over the purpose and the parts, each with its length before it as 8 bytes,
// big-endian; of that the first 8 bytes, big-endian, as a fraction of 2^64. The parts say who draws, and in what: the same parts draw the
// same for ever. The purpose is a salt: what somebody draws for one, such as their slot, says nothing of what they draw for another,
// such as whether they are in the sample.
func Lot(purpose string, parts ...[]byte) uint64 {
	text := make([]byte, 0, 128)
	text = append(binary.BigEndian.AppendUint64(text, uint64(len(purpose))), purpose...)
	for _, part := range parts {
		text = append(binary.BigEndian.AppendUint64(text, uint64(len(part))), part...)
	}
	sum := sha256.Sum256(text)
	return binary.BigEndian.Uint64(sum[:])
}

// Sampled says whether somebody with this lot is among so many percent, 1 to 100. Whoever is in a smaller share is in every larger one.
func Sampled(lot uint64, percent int) bool {
	return percent > 0 && share(lot, 100) < uint64(percent)
}

// share is the whole part of the lot's fraction of n.
func share(lot, n uint64) uint64 {
	whole, _ := bits.Mul64(lot, n)
	return whole
}
