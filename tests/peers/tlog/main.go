// tlog_peer holds what Haechi publishes against code that was not written here: golang.org/x/mod/sumdb (notes, trees, proofs),
// filippo.io/torchwood (checkpoints, tiles), github.com/transparency-dev (witness, its client, ECDSA and cosignature keys).
//
//	tlog_peer verify BASE VKEYS RECEIPT OLD NEW CONSISTENCY      a live log, a receipt, the proof between two heads
//	tlog_peer entries BASE VKEYS AUTHORIZATION                 every entry bundle against the tree
//	tlog_peer witness LISTEN NAME VKEYS                        transparency-dev's witness, in memory; prints its own vkey
//	tlog_peer submit BASE VKEYS WITNESS WITNESS_VKEY           clock a witness of ours forward with transparency-dev's client
//
// How it is built is in build.sh beside it. It is no part of Haechi.
package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"

	"filippo.io/torchwood"
	tdnote "github.com/transparency-dev/formats/note"
	tdclient "github.com/transparency-dev/witness/client/http"
	"github.com/transparency-dev/witness/persistence/inmemory"
	"github.com/transparency-dev/witness/witness"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func must(err error, what string) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "tlog_peer: %s: %v\n", what, err)
		os.Exit(1)
	}
}

func get(address, authorization string) []byte {
	request, err := http.NewRequest("GET", address, nil)
	must(err, address)
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	response, err := http.DefaultClient.Do(request)
	must(err, address)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	must(err, address)
	if response.StatusCode != 200 {
		must(fmt.Errorf("status %d: %s", response.StatusCode, body), address)
	}
	return body
}

// keys reads vkey lines; comments are passed over.
func keys(path string) (all []note.Verifier, ed25519Key note.Verifier) {
	text, err := os.ReadFile(path)
	must(err, path)
	for _, line := range strings.Split(string(text), "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		verifier, err := note.NewVerifier(line)
		if err == nil {
			ed25519Key = verifier
		} else if verifier, err = tdnote.NewECDSAVerifier(line); err != nil {
			verifier, err = tdnote.NewVerifierForCosignatureV1(line)
		}
		must(err, line)
		all = append(all, verifier)
	}
	return all, ed25519Key
}

// open checks every signature that is known, and wants all of them.
func open(text []byte, verifiers []note.Verifier) torchwood.Checkpoint {
	opened, err := note.Open(text, note.VerifierList(verifiers...))
	must(err, "checkpoint")
	if len(opened.Sigs) != len(verifiers) {
		must(fmt.Errorf("%d signatures hold, %d keys are known", len(opened.Sigs), len(verifiers)), "checkpoint")
	}
	checkpoint, err := torchwood.ParseCheckpoint(opened.Text)
	must(err, "checkpoint")
	return checkpoint
}

func reader(base string, tree tlog.Tree) tlog.HashReader {
	fetcher, err := torchwood.NewTileFetcher(base)
	must(err, base)
	return torchwood.TileHashReaderWithContext(context.Background(), tree, fetcher)
}

func hashes(lines []string) (list []tlog.Hash) {
	for _, line := range lines {
		hash, err := tlog.ParseHash(line)
		must(err, line)
		list = append(list, hash)
	}
	return list
}

func verify(base, vkeys, receipt, older, newer, consistency string) {
	verifiers, _ := keys(vkeys)
	head := open(get(base+"/checkpoint", ""), verifiers)
	hashReader := reader(base, head.Tree)
	// Every leaf, out of tiles that torchwood and x/mod have held against the signed root.
	for i := int64(0); i < head.N; i++ {
		leaf, err := hashReader.ReadHashes([]int64{tlog.StoredHashIndex(0, i)})
		must(err, "tile")
		proof, err := tlog.ProveRecord(head.N, i, hashReader)
		must(err, "proof")
		must(tlog.CheckRecord(proof, head.N, head.Hash, i, leaf[0]), "inclusion")
	}
	// A receipt (tlog-proof): its leaf is made from `extra`.
	text, err := os.ReadFile(receipt)
	must(err, receipt)
	top, note_, found := strings.Cut(string(text), "\n\n")
	lines := strings.Split(top, "\n")
	if !found || len(lines) < 3 || lines[0] != "c2sp.org/tlog-proof@v1" {
		must(errors.New("not a tlog-proof"), receipt)
	}
	extra, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(lines[1], "extra "))
	must(err, "extra")
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[2], "index "), 10, 64)
	must(err, "index")
	proven := open([]byte(note_), verifiers)
	must(tlog.CheckRecord(tlog.RecordProof(hashes(lines[3:])), proven.N, proven.Hash, index, tlog.RecordHash(extra)), "receipt")
	// From an older head to the newer one, by Haechi's proof and by one made of its tiles.
	text, err = os.ReadFile(older)
	must(err, older)
	before := open(text, verifiers)
	text, err = os.ReadFile(newer)
	must(err, newer)
	after := open(text, verifiers)
	text, err = os.ReadFile(consistency)
	must(err, consistency)
	given := tlog.TreeProof(hashes(strings.Fields(string(text))))
	must(tlog.CheckTree(given, after.N, after.Hash, before.N, before.Hash), "consistency")
	made, err := tlog.ProveTree(head.N, before.N, hashReader)
	must(err, "consistency from tiles")
	must(tlog.CheckTree(made, head.N, head.Hash, before.N, before.Hash), "consistency from tiles")
	fmt.Printf("%d leaves, receipt of entry %d, consistency %d to %d, %d keys\n", head.N, index, before.N, after.N, len(verifiers))
}

func entries(base, vkeys, authorization string) {
	verifiers, _ := keys(vkeys)
	head := open(get(base+"/checkpoint", ""), verifiers)
	hashReader := reader(base, head.Tree)
	count := int64(0)
	for n := int64(0); n*256 < head.N; n++ {
		width := min(head.N-n*256, 256)
		path := torchwood.TilePath(tlog.Tile{H: 8, L: -1, N: n, W: int(width)})
		bundle := get(base+"/"+path, authorization)
		for i := n * 256; i < n*256+width; i++ {
			if len(bundle) < 2 || len(bundle) < 2+int(binary.BigEndian.Uint16(bundle)) {
				must(errors.New("cut short"), path)
			}
			size := int(binary.BigEndian.Uint16(bundle))
			leaf, err := hashReader.ReadHashes([]int64{tlog.StoredHashIndex(0, i)})
			must(err, "tile")
			if tlog.RecordHash(bundle[2:2+size]) != leaf[0] {
				must(fmt.Errorf("entry %d is not the leaf", i), path)
			}
			bundle = bundle[2+size:]
			count++
		}
		if len(bundle) != 0 {
			must(errors.New("something behind the last entry"), path)
		}
	}
	fmt.Printf("%d entries are the leaves of the tree\n", count)
}

func serve(listen, name, vkeys string) {
	_, verifier := keys(vkeys)
	secret, _, err := note.GenerateKey(rand.Reader, name)
	must(err, "key")
	signer, err := tdnote.NewSignerForCosignatureV1(secret)
	must(err, "key")
	// The same seed's verifier key, of type cosignature/v1.
	seed, err := base64.StdEncoding.DecodeString(strings.SplitN(secret, "+", 5)[4])
	must(err, "seed")
	public := ed25519.NewKeyFromSeed(seed[1:]).Public().(ed25519.PublicKey)
	fmt.Printf("%s+%08x+%s\n", name, signer.KeyHash(), base64.StdEncoding.EncodeToString(append([]byte{4}, public...)))
	one, err := witness.New(context.Background(), witness.Opts{
		Persistence: inmemory.New(),
		Signers:     []note.Signer{signer},
		VerifierForLog: func(_ context.Context, origin string) (note.Verifier, bool, error) {
			return verifier, origin == verifier.Name(), nil
		},
	})
	must(err, "witness")
	http.HandleFunc("/add-checkpoint", witness.NewHTTPHandler(one).AddCheckpoint)
	http.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	must(http.ListenAndServe(listen, nil), listen)
}

func submit(base, vkeys, address, witnessKey string) {
	verifiers, _ := keys(vkeys)
	cosigner, err := tdnote.NewVerifierForCosignatureV1(witnessKey)
	must(err, witnessKey)
	text := get(base+"/checkpoint", "")
	// Only the log's own lines: a cosigned head is published with the others.
	head := open(text, verifiers)
	target, err := url.Parse(address)
	must(err, address)
	client := tdclient.NewWitness(target, http.DefaultClient)
	lines, size, err := client.Update(context.Background(), 0, text, nil)
	if errors.Is(err, witness.ErrCheckpointStale) {
		var proof [][]byte
		tree, err := tlog.ProveTree(head.N, int64(size), reader(base, head.Tree))
		must(err, "proof")
		for _, hash := range tree {
			proof = append(proof, bytes.Clone(hash[:]))
		}
		lines, _, err = client.Update(context.Background(), size, text, proof)
		must(err, "witness")
	} else {
		must(err, "witness")
	}
	// The witness's lines behind the checkpoint are a note by its key, to torchwood's reader as to x/mod's.
	body, _, _ := bytes.Cut(text, []byte("\n\n"))
	opened, err := note.Open(append(append(body, "\n\n"...), lines...), note.VerifierList(cosigner))
	must(err, "cosignature")
	fmt.Printf("cosigned %d by %s, from %d\n", head.N, opened.Sigs[0].Name, size)
}

func main() {
	arguments := os.Args[1:]
	switch {
	case len(arguments) == 7 && arguments[0] == "verify":
		verify(arguments[1], arguments[2], arguments[3], arguments[4], arguments[5], arguments[6])
	case len(arguments) == 4 && arguments[0] == "entries":
		entries(arguments[1], arguments[2], arguments[3])
	case len(arguments) == 4 && arguments[0] == "witness":
		serve(arguments[1], arguments[2], arguments[3])
	case len(arguments) == 5 && arguments[0] == "submit":
		submit(arguments[1], arguments[2], arguments[3], arguments[4])
	default:
		fmt.Fprintln(os.Stderr, "usage: tlog_peer verify|entries|witness|submit ...")
		os.Exit(2)
	}
}
