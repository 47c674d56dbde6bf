// Package rooms holds no code: its tests walk the whole module and fail where a
// room knows what it must not, or a word is used that style forbids.
package rooms
