/** @file What the operating system's error codes mean, in words for messages. */

const MEANINGS: Record<string, string> = {
  ENOENT: "no such file or folder",
  EEXIST: "a file of that name is in the way",
  ENOTDIR: "a part of its path is a file, not a folder",
  EACCES: "permission denied",
  EPERM: "operation not permitted",
  EROFS: "the file system is read-only",
  EISDIR: "it is a folder, not a file",
  EMFILE: "this process has too many open files",
  ENFILE: "the system has too many open files",
  ENOSPC: "no space left on the disk",
  EDQUOT: "the disk quota is used up",
  EFBIG: "the file is larger than the file system allows",
  EIO: "the disk reported an input/output error",
  ENAMETOOLONG: "the name is too long",
  ELOOP: "its symbolic links form a loop",
};

/** The meaning of a failed system call, or undefined when the error did not come from the operating system. */
export function systemErrorMeaning(error: unknown): string | undefined {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  if (typeof code !== "string" || !/^E[A-Z0-9]+$/.test(code)) return undefined;
  return MEANINGS[code] ?? `the system reported ${code}`;
}
