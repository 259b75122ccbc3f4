package bundoc

import (
	"bufio"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	// KeyLength is the length of a DEK in bytes: AES-256.
	KeyLength = 32

	dataFile  = "data.db"
	walFolder = "wal"

	// Bundoc's data file is a row of pages. Encrypted, each is a random nonce
	// of 12 bytes, the page under AES-256-GCM, and the tag of 16 bytes. A page
	// that was never written is all zeros, encrypted or not.
	pageLength   = 8192
	sealedLength = 12 + pageLength + 16

	// So many pages are looked at when a database is opened: one that a crash
	// tore does not open, but not all of the first are torn.
	samplePages = 16
)

// pageCipher seals pages as Bundoc does.
func pageCipher(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// forEachPage calls use with every page of the data file, in order, until it
// returns an error or more is false, or the context ends. What is at the end
// and is not a whole page is left out, as Bundoc does.
func forEachPage(ctx context.Context, folder string, length int, use func(page []byte) (more bool, err error)) error {
	file, err := os.Open(filepath.Join(folder, dataFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	reader := bufio.NewReaderSize(file, 1<<20)
	page := make([]byte, length)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := io.ReadFull(reader, page); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		} else if err != nil {
			return err
		}
		more, err := use(page)
		if err != nil || !more {
			return err
		}
	}
}

// opensSample says whether a key opens the first of the data's pages, or that
// there is none to try it on.
func opensSample(folder string, key []byte) (opens, empty bool, err error) {
	aead, err := pageCipher(key)
	if err != nil {
		return false, false, err
	}
	tried := 0
	err = forEachPage(context.Background(), folder, sealedLength, func(page []byte) (bool, error) {
		if isZero(page) {
			return true, nil
		}
		tried++
		plaintext, err := aead.Open(nil, nil, page, nil)
		clear(plaintext)
		opens = err == nil
		return !opens && tried < samplePages, nil
	})
	return opens, tried == 0, err
}

// opensAll returns how many pages a key opens, and an error when there is one
// that it does not open.
func opensAll(ctx context.Context, folder string, key []byte) (count int, err error) {
	aead, err := pageCipher(key)
	if err != nil {
		return 0, err
	}
	at := 0
	err = forEachPage(ctx, folder, sealedLength, func(page []byte) (bool, error) {
		if !isZero(page) {
			plaintext, err := aead.Open(nil, nil, page, nil)
			if err != nil {
				return false, &Error{folder, ErrDataMismatch, fmt.Sprintf("page %d of %s", at, dataFile), nil}
			}
			clear(plaintext)
			count++
		}
		at++
		return true, nil
	})
	return count, err
}

// sealPages writes the data of one database, sealed with one key or not at
// all, to a new file, sealed with another.
func sealPages(ctx context.Context, folder, target string, from, to []byte) (err error) {
	sealer, err := pageCipher(to)
	if err != nil {
		return err
	}
	length, open := pageLength, func(page []byte) ([]byte, error) { return page, nil }
	if from != nil {
		opener, err := pageCipher(from)
		if err != nil {
			return err
		}
		length = sealedLength
		open = func(page []byte) ([]byte, error) { return opener.Open(nil, nil, page, nil) }
	}
	file, err := os.OpenFile(filepath.Join(target, dataFile), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Sync(), file.Close()) }()
	writer := bufio.NewWriterSize(file, 1<<20)
	at := 0
	empty := make([]byte, sealedLength)
	err = forEachPage(ctx, folder, length, func(page []byte) (bool, error) {
		sealed := empty
		if !isZero(page) {
			plaintext, err := open(page)
			if err != nil {
				return false, &Error{folder, ErrDataMismatch, fmt.Sprintf("page %d of %s", at, dataFile), nil}
			}
			sealed = sealer.Seal(nil, nil, plaintext, nil)
			clear(plaintext)
		}
		at++
		_, err := writer.Write(sealed)
		return true, err
	})
	return errors.Join(err, writer.Flush())
}

// holdsData says whether anything was ever stored in the folder. The catalog
// may be nil.
func holdsData(folder string, catalog catalogFields) (bool, error) {
	if !catalog.isEmpty() {
		return true, nil
	}
	for _, name := range []string{dataFile, walFolder} {
		if err := mustNotDangle(filepath.Join(folder, name)); err != nil {
			return false, err
		}
	}
	names := []string{filepath.Join(folder, dataFile)}
	logs, err := os.ReadDir(filepath.Join(folder, walFolder))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	for _, log := range logs {
		names = append(names, filepath.Join(folder, walFolder, log.Name()))
	}
	for _, name := range names {
		info, err := os.Stat(name)
		if err == nil && info.Size() > 0 {
			return true, nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
	}
	return false, nil
}

// mustNotDangle refuses a link to what is not there, as on a disk that is not
// mounted: data may be behind it.
func mustNotDangle(path string) error {
	if _, err := os.Lstat(path); err != nil {
		return nil
	}
	_, err := os.Stat(path)
	return err
}

func isZero(page []byte) bool {
	for _, octet := range page {
		if octet != 0 {
			return false
		}
	}
	return true
}
