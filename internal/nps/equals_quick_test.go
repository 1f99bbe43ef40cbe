//go:build !thorough

package nps

// thorough is for those who have some minutes to spare, see TestEqualsThoroughly.
const thorough = false
