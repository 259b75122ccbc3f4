package envelope

import (
	"bytes"
	"crypto/hpke"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

type backupVector struct {
	Name    string `json:"name"`
	Seed    string `json:"seed"`
	Backup  string `json:"backup"`
	Outcome string `json:"outcome"`
	Content string `json:"content"`
}

type backupFile struct {
	Vectors []backupVector `json:"vectors"`
}

const (
	backupInfo       = "bunkms key backup v1"
	encapsulatedSize = 1120
)

var backupMagic = []byte{0x6e, 0x49, 0x9b, 1}

// spkiPrefix is what stands before an X-Wing public key in its
// SubjectPublicKeyInfo (spec/backup.md).
var spkiPrefix = []byte{
	0x30, 0x82, 0x04, 0xd4, 0x30, 0x0d, 0x06, 0x0b, 0x2b, 0x06, 0x01, 0x04,
	0x01, 0x83, 0xe6, 0x2d, 0x81, 0xc8, 0x7a, 0x03, 0x82, 0x04, 0xc1, 0x00,
}

// TestBackupVectors opens with Go's own HPKE what the server sealed, and
// refuses what it refuses.
func TestBackupVectors(t *testing.T) {
	var file backupFile
	readVectors(t, "backup.json", &file)
	if len(file.Vectors) < 20 {
		t.Errorf("%d vectors", len(file.Vectors))
	}
	for _, vector := range file.Vectors {
		t.Run(vector.Name, func(t *testing.T) {
			content, err := openBackup(backupKey(t, vector.Seed), vector.Backup)
			switch vector.Outcome {
			case "opens":
				if err != nil || hex.EncodeToString(content) != vector.Content {
					t.Errorf("the content is %x, the error %v", content, err)
				}
			case "decryption_failed":
				if err == nil {
					t.Error("it opened")
				}
			default:
				t.Errorf("unknown outcome %q", vector.Outcome)
			}
		})
	}
}

// TestBackupsOfGo checks that the file of what Go sealed is there, or makes it.
func TestBackupsOfGo(t *testing.T) {
	if *update {
		writeBackupsOfGo(t)
	}
	var file backupFile
	readVectors(t, "backup-go.json", &file)
	if len(file.Vectors) != 2 {
		t.Errorf("%d vectors", len(file.Vectors))
	}
	for _, vector := range file.Vectors {
		content, err := openBackup(backupKey(t, vector.Seed), vector.Backup)
		if err != nil || hex.EncodeToString(content) != vector.Content {
			t.Errorf("%s: the content is %x, the error %v", vector.Name, content, err)
		}
	}
}

func writeBackupsOfGo(t *testing.T) {
	var ours, file backupFile
	readVectors(t, "backup.json", &ours)
	for _, vector := range ours.Vectors {
		if vector.Outcome != "opens" {
			continue
		}
		vector.Name += ": by Go"
		vector.Backup = sealBackup(t, backupKey(t, vector.Seed).PublicKey(), unhex(t, vector.Content))
		file.Vectors = append(file.Vectors, vector)
	}
	content, err := json.MarshalIndent(file, "", "  ")
	fatal(t, err)
	path := filepath.Join("..", "..", "..", "spec", "vectors", "backup-go.json")
	fatal(t, os.WriteFile(path, append(content, '\n'), 0o644))
}

func backupKey(t *testing.T, seed string) hpke.PrivateKey {
	t.Helper()
	key, err := hpke.MLKEM768X25519().NewPrivateKey(unhex(t, seed))
	fatal(t, err)
	return key
}

// backupHeader returns magic, format and the recipient's fingerprint.
func backupHeader(recipient hpke.PublicKey) []byte {
	fingerprint := sha256.Sum256(append(bytes.Clone(spkiPrefix), recipient.Bytes()...))
	return append(bytes.Clone(backupMagic), fingerprint[:]...)
}

func sealBackup(t *testing.T, recipient hpke.PublicKey, content []byte) string {
	t.Helper()
	header := backupHeader(recipient)
	encapsulated, sender, err := hpke.NewSender(recipient, hpke.HKDFSHA256(), hpke.AES256GCM(), []byte(backupInfo))
	fatal(t, err)
	sealed, err := sender.Seal(header, content)
	fatal(t, err)
	return base64.StdEncoding.EncodeToString(bytes.Join([][]byte{header, encapsulated, sealed}, nil))
}

func openBackup(key hpke.PrivateKey, text string) ([]byte, error) {
	backup, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, err
	}
	header := backupHeader(key.PublicKey())
	// Go's decoder passes over line ends, which the form does not have.
	if base64.StdEncoding.EncodeToString(backup) != text || !bytes.HasPrefix(backup, header) {
		return nil, errors.New("not a backup for this cluster")
	}
	rest := backup[len(header):]
	if len(rest) < encapsulatedSize {
		return nil, errors.New("cut")
	}
	recipient, err := hpke.NewRecipient(
		rest[:encapsulatedSize], key, hpke.HKDFSHA256(), hpke.AES256GCM(), []byte(backupInfo))
	if err != nil {
		return nil, err
	}
	return recipient.Open(header, rest[encapsulatedSize:])
}
