// See context.h. Nothing of this header is used.
#pragma once
