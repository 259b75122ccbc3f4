package bundoc

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	temporary = ".tmp-"
	// What a crash left is removed after this time. A file that is being
	// written is much younger.
	leftoverAge = time.Hour
)

// createFile makes a file that is not there yet, with all of its content, and
// on the disk when it returns. Of several that try at once, in any number of
// processes, exactly one succeeds; the others get fs.ErrExist. A crash leaves
// either nothing under that name or the whole file: link(2) is the one step
// that makes it visible.
func createFile(path string, content []byte, step func(string)) error {
	name, err := writeTemporary(path, content, 0o600, nil, step)
	if err != nil {
		return err
	}
	defer os.Remove(name)
	if err := os.Link(name, path); err != nil {
		return err
	}
	step("linked")
	return syncFolder(filepath.Dir(path))
}

// replaceFile puts content in the place of a file, or makes it. A crash leaves
// the old content or the new. An existing file keeps its permissions, and its
// owner: what an operator wraps anew as root is still to be read by Bundoc.
func replaceFile(path string, content []byte, mode fs.FileMode) error {
	present, err := os.Stat(path)
	if err == nil {
		mode = present.Mode().Perm()
	}
	name, err := writeTemporary(path, content, mode, present, func(string) {})
	if err != nil {
		return err
	}
	if err := os.Rename(name, path); err != nil {
		return errors.Join(err, os.Remove(name))
	}
	return syncFolder(filepath.Dir(path))
}

// writeTemporary writes a file beside path, on the disk when it returns. It
// gets the owner of another, if that is given.
func writeTemporary(path string, content []byte, mode fs.FileMode, of fs.FileInfo, step func(string)) (name string, err error) {
	removeLeftovers(path)
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+temporary+"*")
	if err != nil {
		return "", err
	}
	step("created")
	_, err = file.Write(content)
	step("written")
	err = errors.Join(err, keepOwner(file, of), file.Chmod(mode), file.Sync(), file.Close())
	if err != nil {
		return "", errors.Join(err, os.Remove(file.Name()))
	}
	step("synced")
	return file.Name(), nil
}

// keepOwner gives an open file the owner of another, if there is one. Not by
// its name: who owns the folder could have put another file in its place.
func keepOwner(file *os.File, of fs.FileInfo) error {
	if of == nil {
		return nil
	}
	made, err := file.Stat()
	if err != nil {
		return err
	}
	user, group, ok := ownerOf(of)
	ownUser, ownGroup, _ := ownerOf(made)
	if !ok || user == ownUser && group == ownGroup {
		return nil
	}
	// A group that cannot be given keeps nobody's own file from him.
	if err := file.Chown(user, group); err != nil && user != ownUser {
		return err
	}
	return nil
}

// removeLeftovers removes what a crash left while path was written. It holds
// nothing secret, so that a failure to remove it does not matter.
func removeLeftovers(path string) {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return
	}
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), filepath.Base(path)+temporary) {
			continue
		}
		if info, err := entry.Info(); err == nil && time.Since(info.ModTime()) > leftoverAge {
			_ = os.Remove(filepath.Join(filepath.Dir(path), entry.Name()))
		}
	}
}

// makeFolders makes a folder and those above it, and their names durable. It
// returns the paths of those that were not there, the outermost first.
func makeFolders(path string) (made []string, err error) {
	if _, err := os.Stat(path); err == nil {
		return nil, nil
	}
	if above := filepath.Dir(path); above != path {
		if made, err = makeFolders(above); err != nil {
			return made, err
		}
	}
	err = os.Mkdir(path, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return made, nil
	}
	if err != nil {
		return made, err
	}
	return append(made, path), syncFolder(filepath.Dir(path))
}

// removeEmpty removes those of the folders that makeFolders made in which
// nobody has put anything since.
func removeEmpty(made []string) {
	for _, path := range slices.Backward(made) {
		_ = os.Remove(path)
	}
}

// syncFolder makes names in a folder durable.
func syncFolder(folder string) error {
	handle, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(handle.Sync(), handle.Close())
}
