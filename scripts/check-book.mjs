// Checks a made book: every link and picture inside it leads to a file, and to an id in that file where it names one; no line of code of its
// sources is wider than a page.   node check-book.mjs BOOK SOURCES
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";

const WIDEST = 110;
const [book, sources] = process.argv.slice(2);
const files = (folder, end) =>
  readdirSync(folder, { recursive: true }).filter((name) => name.endsWith(end)).map((name) => join(folder, name));
const plain = (text) => text.replaceAll("&amp;", "&").replaceAll("&quot;", '"');

const wrong = [];
let links = 0;
const pages = files(book, ".html").filter((page) => !/(print|404|toc)\.html$/.test(page));
for (const page of pages) {
  // Debian's mdBook comes without the fonts that its own template names; a browser has others.
  for (const [, found] of readFileSync(page, "utf8").matchAll(/\s(?:href|src)="([^"]+)"/g)) {
    const link = plain(found);
    if (/^[a-z]+:/.test(link) || link.endsWith("fonts/fonts.css")) continue;
    links += 1;
    const [path, id] = link.split("#");
    const target = path ? normalize(join(dirname(page), path)) : page;
    if (!existsSync(target)) wrong.push(`${relative(book, page)}: ${link}: no such file`);
    else if (id && target.endsWith(".html") && !readFileSync(target, "utf8").includes(`id="${id}"`)) wrong.push(`${relative(book, page)}: ${link}: no such id`);
  }
}
for (const page of files(sources, ".md")) {
  let code = ""; // the language of the block of code, as it opens
  readFileSync(page, "utf8").split("\n").forEach((line, at) => {
    if (line.startsWith("```")) code = code ? "" : line;
    // A program of Rust hides lines that begin so.
    else if (code && !(code.startsWith("```rust") && line.startsWith("# ")) && [...line].length > WIDEST) wrong.push(`${relative(sources, page)}:${at + 1}: ${[...line].length} characters of code; a page shows ${WIDEST}`);
  });
}
if (pages.length < 2 || links < pages.length) wrong.push(`${pages.length} pages with ${links} links: this is no book`);
console.log(`${pages.length} pages, ${links} links inside the book, ${wrong.length} wrong`);
wrong.forEach((one) => console.error(one));
process.exit(wrong.length ? 1 : 0);
