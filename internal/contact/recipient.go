package contact

import (
	"crypto/sha256"

	"github.com/google/uuid"
)

// NameOf is the name that somebody has among all others, by their id, or else by their address, however that is spelt.
func NameOf(externalID, email string) string {
	if externalID != "" {
		return "id\x00" + externalID
	}
	return "address\x00" + EmailKey(email)
}

// Recipient is what is kept of whom a link was made for, where it may be somebody whom nobody knows: a hash of their name, which cannot be
// read, and by which what is kept of them is found again when they are erased. Of one name it is another in each tenant.
func Recipient(tenant uuid.UUID, name string) [sha256.Size]byte {
	return sha256.Sum256([]byte("recipient\x00" + string(tenant[:]) + name))
}
