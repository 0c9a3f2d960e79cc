import assert from "node:assert/strict";
import { type Storage, StorageError } from "../../broker/log/storage.ts";

export interface StorageUnderTest {
  /** An empty volume. */
  readonly storage: Storage;
  close(): Promise<void>;
}

const bytes = (text: string): Uint8Array => Buffer.from(text);

async function text(storage: Storage, path: string): Promise<string | undefined> {
  const content = await storage.readFile(path);
  return content === undefined ? undefined : Buffer.from(content).toString("latin1");
}

async function put(storage: Storage, path: string, content: string): Promise<void> {
  const file = await storage.open(path, "create");
  await file.write(0, [bytes(content)]);
  await file.close();
}

const code =
  (expected: string) =>
  (error: unknown): boolean => {
    assert(error instanceof StorageError, String(error));
    assert.equal(error.code, expected);
    return true;
  };

/** What the log expects of a volume, whatever it is made of (broker/log/storage.ts). */
export function storageContract(name: string, make: () => Promise<StorageUnderTest>): void {
  describe(`storage: ${name}`, () => {
    let under: StorageUnderTest;
    let storage: Storage;
    beforeEach(async () => {
      under = await make();
      ({ storage } = under);
    });
    afterEach(() => under.close());

    describe("an open file", () => {
      it("is made empty when it is to be created, and kept when it is there", async () => {
        const file = await storage.open("a", "create");
        assert.equal(file.size, 0);
        await file.write(0, [bytes("kept")]);
        await file.close();
        for (const mode of ["create", "existing"] as const) {
          const again = await storage.open("a", mode);
          assert.equal(again.size, 4);
          await again.close();
        }
        assert.equal(await text(storage, "a"), "kept");
      });

      it("takes parts one after the other, empty ones too, by both ways of writing", async () => {
        const file = await storage.open("a", "create");
        await file.write(0, [bytes("one"), bytes(""), bytes("two")]);
        assert.equal(file.size, 6);
        file.writeSync(6, [bytes(""), bytes("th"), bytes("ree")]);
        file.writeSync(11, [bytes("!")]);
        assert.equal(file.size, 12);
        await file.write(1, [bytes("NE")]);
        await file.write(12, []);
        assert.equal(file.size, 12);
        await file.sync();
        await file.close();
        assert.equal(await text(storage, "a"), "oNEtwothree!");
      });

      it("takes more parts than one system call does", async () => {
        const parts = Array.from({ length: 3000 }, (_, i) => bytes(`${i % 10}`));
        const whole = Buffer.concat(parts).toString();
        const file = await storage.open("a", "create");
        await file.write(0, parts);
        file.writeSync(3000, parts);
        await file.close();
        assert.equal(await text(storage, "a"), whole + whole);
      });

      it("has zeros where nothing was written", async () => {
        const file = await storage.open("a", "create");
        await file.write(3, [bytes("x")]);
        assert.equal(file.size, 4);
        await file.truncate(6);
        assert.equal(file.size, 6);
        await file.close();
        assert.equal(await text(storage, "a"), "\0\0\0x\0\0");
      });

      it("has zeros where it was cut and grew again", async () => {
        const file = await storage.open("a", "create");
        await file.write(0, [bytes("abcdef")]);
        await file.truncate(2);
        assert.equal(file.size, 2);
        await file.write(4, [bytes("z")]);
        await file.close();
        assert.equal(await text(storage, "a"), "ab\0\0z");
      });

      it("is read from anywhere, short only at its end", async () => {
        const file = await storage.open("a", "create");
        await file.write(0, [bytes("abcdef")]);
        const read = async (position: number, length: number): Promise<string> => {
          const into = new Uint8Array(length);
          const filled = await file.read(position, into);
          return Buffer.from(into.subarray(0, filled)).toString();
        };
        assert.deepEqual(
          [
            await read(0, 6),
            await read(2, 3),
            await read(4, 10),
            await read(6, 5),
            await read(90, 5),
          ],
          ["abcdef", "cde", "ef", "", ""],
        );
        assert.equal(await read(0, 0), "");
        await file.close();
      });

      it("lives on when its name is removed or becomes another", async () => {
        const file = await storage.open("a", "create");
        await file.write(0, [bytes("abc")]);
        await storage.rename("a", "b");
        await file.write(3, [bytes("d")]);
        assert.equal(await text(storage, "b"), "abcd");
        await storage.remove("b");
        const into = new Uint8Array(9);
        assert.equal(await file.read(0, into), 4);
        await file.close();
        assert.equal(await text(storage, "b"), undefined);
      });

      it("is of no use once it is closed", async () => {
        const file = await storage.open("a", "create");
        await file.write(0, [bytes("abc")]);
        const reading = file.read(0, new Uint8Array(3));
        await file.close();
        assert.equal(await reading, 3, "what was under way comes to its end");
        await assert.rejects(file.read(0, new Uint8Array(3)), code("EBADF"));
        await assert.rejects(file.write(0, [bytes("x")]), code("EBADF"));
        await assert.rejects(file.sync(), code("EBADF"));
        assert.throws(() => file.writeSync(0, [bytes("x")]), code("EBADF"));
        assert.equal(await text(storage, "a"), "abc");
      });

      for (const [path, mode] of [
        ["none", "existing"],
        ["no/folder", "existing"],
        ["no/folder", "create"],
      ] as const) {
        it(`is refused when there is no ${path} (${mode})`, async () => {
          await assert.rejects(storage.open(path, mode), code("ENOENT"));
          assert.deepEqual(await storage.list("."), []);
        });
      }
    });

    describe("names", () => {
      it("of a folder are listed sorted, files and folders, of that folder alone", async () => {
        await storage.makeDirectory("d/deep/er");
        await storage.makeDirectory("d");
        for (const name of ["d/b", "d/a", "d/deep/x", "da"]) await put(storage, name, name);
        assert.deepEqual(await storage.list("d"), ["a", "b", "deep"]);
        assert.deepEqual(await storage.list("d/deep"), ["er", "x"]);
        assert.deepEqual(await storage.list("."), ["d", "da"]);
        assert.deepEqual(await storage.list("none"), []);
      });

      it("change by rename, over what was there", async () => {
        await put(storage, "a", "new");
        await put(storage, "b", "old");
        await storage.rename("a", "b");
        assert.deepEqual(await storage.list("."), ["b"]);
        assert.equal(await text(storage, "b"), "new");
        await assert.rejects(storage.rename("none", "c"), code("ENOENT"));
      });

      it("of a folder change with all that is in it", async () => {
        await storage.makeDirectory("d/deep");
        await put(storage, "d/a", "1");
        await put(storage, "d/deep/b", "2");
        await put(storage, "dx", "3");
        await storage.rename("d", "e");
        assert.deepEqual(await storage.list("."), ["dx", "e"]);
        assert.deepEqual(await storage.list("d"), []);
        assert.equal(await text(storage, "e/deep/b"), "2");
      });

      it("are removed, whether they are there or not", async () => {
        await storage.makeDirectory("d/deep");
        await put(storage, "d/deep/b", "2");
        await put(storage, "dd", "3");
        await storage.removeTree("d");
        await storage.removeTree("d");
        await storage.remove("none");
        assert.deepEqual(await storage.list("."), ["dd"]);
        await storage.remove("dd");
        assert.deepEqual(await storage.list("."), []);
      });

      it("become durable with their folder, if there is one", async () => {
        await storage.makeDirectory("d");
        await put(storage, "d/a", "1");
        await storage.syncDirectory("d");
        await storage.syncDirectory(".");
        await assert.rejects(storage.syncDirectory("none"), code("ENOENT"));
      });
    });

    describe("a whole file", () => {
      it("is undefined when it is not there", async () => {
        assert.equal(await storage.readFile("none"), undefined);
        assert.equal(await storage.ending("none", 0), undefined);
        assert.equal(await storage.ending("none", 5), undefined);
        assert.equal(await storage.readFile("no/folder"), undefined);
      });

      it("says how long it is and how it ends", async () => {
        await storage.writeFileAtomic("a", bytes("first"));
        for (const [asked, end] of [
          [0, ""],
          [2, "st"],
          [5, "first"],
          [9, "first"],
        ] as const) {
          const found = await storage.ending("a", asked);
          assert.equal(found?.size, 5);
          assert.deepEqual(Buffer.from(found.bytes), Buffer.from(end));
        }
      });

      it("is replaced at once and leaves nothing beside it", async () => {
        await storage.makeDirectory("d");
        await storage.writeFileAtomic("d/a", bytes("first and longer"));
        await storage.writeFileAtomic("d/a", bytes("second"));
        assert.equal(await text(storage, "d/a"), "second");
        assert.deepEqual(await storage.list("d"), ["a"]);
        const content = bytes("third");
        await storage.writeFileAtomic("d/a", content);
        content.fill(0);
        assert.equal(await text(storage, "d/a"), "third");
        await assert.rejects(storage.writeFileAtomic("no/folder", bytes("x")), code("ENOENT"));
      });
    });

    it("says how much of it there is and how much is free", async () => {
      const { freeBytes, capacityBytes } = await storage.usage();
      assert(freeBytes > 0 && freeBytes <= capacityBytes, `${freeBytes} of ${capacityBytes}`);
    });
  });
}
