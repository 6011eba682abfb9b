/*
 * QEMU's emulation of Linux knows no TCGETS2, with which the serial binding asks for the baud rate of a port. What it asks for is
 * made here of TCGETS, which QEMU knows. Loaded into emulated processes by LD_PRELOAD; it is no part of hawser.
 */
#define _GNU_SOURCE
#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <stdarg.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static unsigned int rate_of(unsigned int code) {
  static const struct {
    unsigned int code, rate;
  } rates[] = {
      {B1200, 1200},     {B2400, 2400},     {B4800, 4800},       {B9600, 9600},       {B19200, 19200},
      {B38400, 38400},   {B57600, 57600},   {B115200, 115200},   {B230400, 230400},   {B460800, 460800},
      {B500000, 500000}, {B921600, 921600}, {B1000000, 1000000}, {B2000000, 2000000}, {B4000000, 4000000},
  };
  for (unsigned int i = 0; i < sizeof rates / sizeof *rates; i++)
    if (rates[i].code == code) return rates[i].rate;
  return 0;
}

int ioctl(int fd, unsigned long request, ...) {
  va_list arguments;
  va_start(arguments, request);
  void *argument = va_arg(arguments, void *);
  va_end(arguments);
  if (request != TCGETS2) return syscall(SYS_ioctl, fd, request, argument);

  struct termios known;
  if (syscall(SYS_ioctl, fd, TCGETS, &known) == -1) return -1;
  struct termios2 *answer = argument;
  memset(answer, 0, sizeof *answer);
  answer->c_iflag = known.c_iflag;
  answer->c_oflag = known.c_oflag;
  answer->c_cflag = known.c_cflag;
  answer->c_lflag = known.c_lflag;
  answer->c_line = known.c_line;
  memcpy(answer->c_cc, known.c_cc, sizeof known.c_cc);
  answer->c_ispeed = answer->c_ospeed = rate_of(known.c_cflag & CBAUD);
  return 0;
}
